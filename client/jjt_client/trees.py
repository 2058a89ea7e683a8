"""What a caller has (arrays, numbers, dicts and tuples of them) -> NumPy arrays by dotted name.

    a tree    is  a dict or a tuple of trees, a list whose first item is no number, or an array
    an array  is  a number, a list (of lists) of numbers, or what has ``__array__`` or ``__dlpack__``

Knows no bytes; which arrays a function wants, the service knows.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from jjt_client.errors import InvalidInput

QUOTED = frozenset(".,[]*")  # signs of the grammar of names
NUMBERS = (bool, int, float, np.generic)
NOT_AN_ARRAY = (TypeError, ValueError, RuntimeError, BufferError, OverflowError)  # met with JAX, torch, cupy


def named_arrays(side: str, tree: Any) -> dict[str, np.ndarray]:
    """The arrays of one side.

    Args:
        side: ``x1`` or ``x2``.
        tree: an array, or a dict or tuple of trees.

    Returns:
        By dotted name, such as ``x1``, ``x1.position`` or ``x1.0``; a key that holds a sign of the grammar
        is quoted, ``x1.[a.b]``.

    Raises:
        InvalidInput: for anything that is no tree of arrays, and for a tree without any.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, value in _walk(side, tree):
        if name in arrays:
            raise InvalidInput(f"{name}: two keys are written alike")
        arrays[name] = _array(name, value)
    if not arrays:
        raise InvalidInput(f"{side} holds no array")
    return arrays


def _walk(name: str, tree: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _walk(_below(name, str(key)), value)
    elif isinstance(tree, tuple) or (isinstance(tree, list) and not _is_numbers(tree)):
        for index, value in enumerate(tree):
            yield from _walk(f"{name}.{index}", value)
    else:
        yield name, tree


def _below(name: str, key: str) -> str:
    if not key:
        raise InvalidInput(f"{name} has an empty key; every part of an input has a name")
    return f"{name}.[{key}]" if QUOTED & set(key) else f"{name}.{key}"


def _is_numbers(value: Any) -> bool:
    """Whether the first thing in a list of lists is a number, or is missing."""
    while isinstance(value, list):
        if not value:
            return True
        value = value[0]
    return isinstance(value, NUMBERS)


def _array(name: str, value: Any) -> np.ndarray:
    if isinstance(value, np.ma.MaskedArray):
        raise InvalidInput(f"{name}: a mask cannot be sent; fill the array first")
    reasons: list[str] = []
    for way in _ways(value):
        try:
            return way(value)
        except NOT_AN_ARRAY as error:
            reasons.append(str(error))
    why = (
        reasons[0]
        if reasons
        else "expected an array, a number, a list of numbers, or a dict or tuple of them"
    )
    raise InvalidInput(f"{name}: {type(value).__name__} does not become a NumPy array: {why}")


def _ways(value: Any) -> Iterator[Callable[[Any], np.ndarray]]:
    if isinstance(value, (list, *NUMBERS)) or hasattr(value, "__array__"):
        yield np.asarray
    if hasattr(value, "__dlpack__"):
        yield np.from_dlpack
