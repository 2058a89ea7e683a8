"""JSON text -> lazy objects and lists, and a list of numbers -> one array, by pysimdjson.

Has the same names as ``json_plain``. A document is parsed whole before anything is taken out of it.
"""

from math import prod
from typing import Any

import numpy as np
import simdjson

from app.errors import DecodeError

Object = simdjson.Object
List = simdjson.Array
SATURATED = 0xFFFFFF  # a list this long or longer says that it is this long
KINDS = {"i": np.dtype("int64"), "u": np.dtype("uint64"), "d": np.dtype("float64")}
REASONS = {
    "NUMBER_ERROR": "a number is malformed, infinite or beyond 64 bits",
    "BIGINT_ERROR": "an integer is beyond 64 bits; send it with a decimal point if it is meant as a float",
    "DEPTH_ERROR": "it is nested too deeply",
    "STRING_ERROR": "a text holds an invalid escape, such as half of a surrogate pair",
    "EMPTY": "it is empty",
}


def parse(body: bytes) -> Any:
    """The value of a document: an ``Object``, a ``List`` or a scalar.

    Raises:
        DecodeError: unless it is one JSON document in UTF-8, with numbers of 64 bits.
    """
    try:
        return simdjson.Parser().parse(body)
    except UnicodeDecodeError:
        reason = "it is not UTF-8"
    except (ValueError, RuntimeError) as error:
        reason = REASONS.get(
            str(error).partition(":")[0], "its brackets, commas or words are not those of JSON"
        )
    raise DecodeError(f"the body is not one JSON document: {reason}")


def length(value: Any) -> int:
    """Number of items of a list."""
    items = len(value)
    return items if items < SATURATED else sum(1 for _ in value)


def numbers(value: Any, first: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """The numbers in a list of lists as one array, or None where it holds something else.

    Args:
        value: the list.
        first: its first number.
        shape: of the list, down to the last axis, whose items are not yet looked at.

    Returns:
        ``[*shape]``: int64 where all are integers that fit it, else uint64 where they fit that, else float64.

    Raises:
        DecodeError: for integers that share no type of 64 bits.
    """
    kinds = "d" if type(first) is float else "iud"
    misfits = 0
    for kind in kinds:
        try:
            flat = np.frombuffer(value.as_buffer(of_type=kind), KINDS[kind])
        except ValueError:  # an integer out of the range of this kind
            misfits += 1
        except TypeError:  # a float, or something that is no number
            continue
        else:
            if flat.size != prod(shape) or (misfits == len("iu") and not _has_float(value, shape)):
                return None
            return flat.reshape(shape)
    return None


def _has_float(value: Any, shape: tuple[int, ...]) -> bool:
    """Whether numbers that fit neither kind of integer are floats.

    Returns:
        False where a list hides among them.

    Raises:
        DecodeError: where all are integers.
    """
    kinds = _kinds(value, len(shape))
    if List not in kinds and float not in kinds:
        raise DecodeError("integers below 0 and integers from 2**63 on share no type of 64 bits")
    return List not in kinds


def _kinds(value: Any, axes: int) -> set[type]:
    if axes == 1:
        return set(map(type, value))
    return set[type]().union(*(_kinds(row, axes - 1) for row in value))
