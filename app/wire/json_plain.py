"""JSON text -> dicts and lists, and a list of numbers -> one array, by orjson.

Stands in for ``json_simd``, with the same names, where pysimdjson has no build. orjson keeps the last of
equal keys and rounds large integers to floats in silence; here the text is searched for both.
"""

import re
import sys
from itertools import chain
from typing import Any

import numpy as np
import orjson

from app.errors import DecodeError

Object = dict
List = list
SATURATED = sys.maxsize
STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
LONG_INTEGER = re.compile(rb"(?<![0-9.eE+-])-?[0-9]{19,}(?![0-9.eE])")


def parse(body: bytes) -> Any:
    """The value of a document: an ``Object``, a ``List`` or a scalar.

    Raises:
        DecodeError: unless it is one JSON document in UTF-8, with unique keys and numbers of 64 bits.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise DecodeError(f"the body is not JSON: {error}") from None
    if len(STRING.findall(body)) != _texts(value):
        raise DecodeError("a key is given twice in one object; send it once")
    for found in LONG_INTEGER.findall(STRING.sub(b'""', body)):
        if not -(1 << 63) <= int(found) < 1 << 64:
            raise DecodeError("the body is not JSON that is read here: an integer is beyond 64 bits")
    return value


def _texts(value: Any) -> int:
    """Number of texts in a tree, keys and values."""
    if type(value) is dict:
        return len(value) + sum(map(_texts, value.values()))
    if type(value) is list:
        return sum(_texts(item) for item in value if type(item) not in (int, float))
    return int(type(value) is str)


def length(value: list[Any]) -> int:
    """Number of items of a list."""
    return len(value)


def numbers(value: list[Any], _first: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """As ``json_simd.numbers``: a list of numbers as one array, or None where it holds something else."""
    flat: list[Any] = value
    for _ in shape[1:]:
        flat = list(chain.from_iterable(flat))
    kinds = set(map(type, flat))
    if not kinds <= {int, float}:
        return None
    if float in kinds:
        return np.array(flat, np.float64).reshape(shape)
    low, high = min(flat), max(flat)
    if high < 1 << 63:
        return np.array(flat, np.int64).reshape(shape)
    if low < 0:
        raise DecodeError("integers below 0 and integers from 2**63 on share no type of 64 bits")
    return np.array(flat, np.uint64).reshape(shape)
