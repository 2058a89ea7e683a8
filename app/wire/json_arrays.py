"""The values of ``x1`` and ``x2`` in a JSON document -> named arrays, within a limit of bytes.

Knows no options. A parser counts the numbers in a list and says nothing of the lists inside, so that
``[[1, 2], [3]]`` and ``[1, [2], 3]`` could pass as rectangles: here lengths are compared level by level,
and the brackets of the whole text are counted against the lists that were understood.
"""

from collections import Counter
from math import prod
from types import ModuleType
from typing import Any

import numpy as np

from app.errors import DecodeError
from app.wire.arrays import MAX_DIMENSIONS
from app.wire.json_base64 import read_base64
from app.wire.names import MAX_ARRAYS, check_keys, check_new, check_room, dotted, shown

NUMBER_BYTES = 8
MAX_DEPTH = 64
KINDS = {str: "a text", bool: "a boolean", type(None): "null"}


class ArrayReader:
    """Takes values of a document, and keeps the arrays in them.

    Args:
        parser: ``json_simd`` or ``json_plain``.
        limit_bytes: largest sum of the arrays' sizes.
        careful: look at every item of every list for lists inside; slower, and right without a count of
            brackets.
    """

    __slots__ = ("_careful", "_limit_bytes", "_used_bytes", "arrays", "lists", "parser", "weak")

    def __init__(self, parser: ModuleType, limit_bytes: int, careful: bool = False) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.weak: set[str] = set()
        self.lists = 0  # lists that were understood
        self.parser = parser
        self._limit_bytes = limit_bytes
        self._careful = careful
        self._used_bytes = 0

    def fields(self, value: Any) -> dict[str, Any]:
        """The values of an object by key.

        Raises:
            DecodeError: for very many keys, or one that is there twice.
        """
        if len(value) > MAX_ARRAYS:
            raise DecodeError(f"an object has {len(value)} keys; at most {MAX_ARRAYS} are read")
        keys = list(value)
        check_keys(keys)
        if len(set(keys)) != len(keys):
            twice = Counter(keys).most_common(1)[0][0]
            raise DecodeError(f"key {shown(twice)} is given twice in one object; send it once")
        return {key: value[key] for key in keys}

    def take(self, name: str, value: Any, depth: int = 0) -> None:
        """Keep a value as an array, or its items as parts.

        Raises:
            DecodeError: for what is neither numbers nor base64, naming it.
            BodyTooLarge: when the arrays are larger than the limit.
        """
        if depth > MAX_DEPTH:
            raise DecodeError(f"{shown(name)} is nested deeper than {MAX_DEPTH} levels")
        kind = type(value)
        if kind is self.parser.List:
            self._take_list(name, value, depth)
        elif kind is int or kind is float:
            self._keep(name, np.array(value), weak=True)
        elif kind is self.parser.Object:
            self._take_object(name, value, depth)
        else:
            raise _no_number(name, value)

    def _keep(self, name: str, array: np.ndarray, weak: bool) -> None:
        check_new(name, self.arrays, "array")
        if len(self.arrays) == MAX_ARRAYS:
            raise DecodeError(
                f"{shown(name)}: more than {MAX_ARRAYS} arrays in one request; is a list ragged?"
            )
        self._used_bytes += array.nbytes
        check_room(self._used_bytes, self._limit_bytes)
        self.arrays[name] = array
        if weak:
            self.weak.add(name)

    def _take_object(self, name: str, value: Any, depth: int) -> None:
        fields = self.fields(value)
        if type(fields.get("base64")) is str:
            return self._keep(name, self._from_base64(name, fields), weak=False)
        if not fields:
            raise DecodeError(
                f"{shown(name)} is an empty object; expected numbers, or parts that hold numbers"
            )
        for key, item in fields.items():
            self.take(dotted(name, key), item, depth + 1)
        return None

    def _from_base64(self, name: str, fields: dict[str, Any]) -> np.ndarray:
        if type(fields.get("shape")) is self.parser.List:
            fields["shape"] = list(fields["shape"])
            self.lists += 1
        return read_base64(name, fields, self._used_bytes, self._limit_bytes)

    def _take_list(self, name: str, value: Any, depth: int) -> None:
        shape, first = self._probe(name, value)
        array = self._rectangle(value, shape, first)
        if array is not None:
            self._count_lists(shape)
            return self._keep(name, array, weak=True)
        self._refuse_strangers(name, value, depth)
        if self.parser.length(value) > MAX_ARRAYS:
            raise self._ragged(name, value)
        self.lists += 1
        for index, item in enumerate(value):
            self.take(f"{name}.{index}", item, depth + 1)
        return None

    def _count_lists(self, shape: tuple[int, ...]) -> None:
        lists = 1
        for size in shape:
            self.lists += lists
            lists *= size

    def _probe(self, name: str, value: Any) -> tuple[tuple[int, ...], Any]:
        """The shape that the first items promise, and the first number."""
        shape: list[int] = []
        while type(value) is self.parser.List:
            if len(shape) == MAX_DIMENSIONS:
                raise DecodeError(f"{shown(name)} has more than {MAX_DIMENSIONS} dimensions")
            size = len(value)
            shape.append(size if size < self.parser.SATURATED else self.parser.length(value))
            value = value[0] if size else None
        return tuple(shape), value

    def _rectangle(self, value: Any, shape: tuple[int, ...], first: Any) -> np.ndarray | None:
        """The list as one array of ``shape``, or None where it is no rectangle of numbers."""
        if not self._agrees(value, shape):
            return None
        count = prod(shape)
        if not count:
            return np.empty(shape)
        if type(first) is not float and type(first) is not int:
            return None
        check_room(self._used_bytes + count * NUMBER_BYTES, self._limit_bytes)
        return self.parser.numbers(value, first, shape)

    def _agrees(self, value: Any, shape: tuple[int, ...]) -> bool:
        """Whether the lists inside ``value``, which is itself as long as ``shape`` says, do as well."""
        if len(shape) == 1:
            return not self._careful or not any(type(item) is self.parser.List for item in value)
        count = len if shape[1] < self.parser.SATURATED else self.parser.length
        try:
            if set(map(count, value)) != {shape[1]}:
                return False
        except TypeError:  # a number beside lists
            return False
        if len(shape) == 2 and not self._careful:
            return True
        return all(self._agrees(row, shape[1:]) for row in value)

    def _refuse_strangers(self, where: str, value: Any, depth: int) -> None:
        """Refuse the first thing in a list that is neither a number nor a list nor an object."""
        if depth > MAX_DEPTH:
            raise DecodeError(f"{shown(where)} is nested deeper than {MAX_DEPTH} levels")
        for index, item in enumerate(value):
            kind = type(item)
            if kind is self.parser.List:
                self._refuse_strangers(f"{where}.{index}", item, depth + 1)
            elif kind in KINDS:
                raise _no_number(f"{where}.{index}", item)

    def _ragged(self, name: str, value: Any) -> DecodeError:
        shapes = ((index, list(self._probe(name, item)[0])) for index, item in enumerate(value))
        _, expected = next(shapes)
        for index, shape in shapes:
            if shape != expected:
                return DecodeError(
                    f"{name} is ragged: {name}.0 has shape {expected} and {name}.{index} has shape {shape}; "
                    "make all items of a list the same shape"
                )
        return DecodeError(f"{name} is ragged: items of {name}.0 or of a later item differ in shape")


def _no_number(name: str, value: Any) -> DecodeError:
    what = KINDS[type(value)]
    which = f" {shown(value)}" if isinstance(value, str) else ""
    return DecodeError(
        f"{shown(name)} is {what}{which}; expected a number, a list of numbers, or base64 with dtype"
    )
