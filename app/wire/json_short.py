"""A short JSON document of the usual kind -> Message; whatever is unusual is left to ``json_text``.

For few numbers orjson's dicts and lists cost less than pysimdjson's lazy ones. But orjson keeps the last of
equal keys and rounds integers beyond 64 bits in silence: here the quotation marks of the text are counted
against the texts that were understood, and where a number may have been rounded nothing is read.
"""

from typing import Any

import numpy as np
import orjson

from app.errors import RequestError
from app.specs import Message
from app.wire.json_base64 import read_base64
from app.wire.names import SIDES
from app.wire.options import OPTIONS, Value

MAX_BYTES = 2048  # of a document; from here on pysimdjson is faster
MOST_BYTES = 4  # of arrays for a byte of text: a digit and a comma become 8
MAX_DIMENSIONS = 4  # deeper lists are not the usual kind
SURE = 2.0**63  # a number below it is no rounded integer
SURE_SQUARES = SURE**2
NUMBERS = (int, float)
INT64, FLOAT64 = np.dtype("int64"), np.dtype("float64")
NONE_WEAK: frozenset[str] = frozenset()
BASE64_TEXTS = 5  # three keys, the dtype, the base64


def read_short(body: bytes, limit_bytes: int) -> Message | None:
    """The arrays and options of a document.

    Args:
        body: the document, whole.
        limit_bytes: largest sum of the arrays' sizes.

    Returns:
        None unless it is short, its arrays are x1 and x2, as rectangles of numbers or in base64, and all of
        it is as it should be: what is wrong with it is found where it is read with care.
    """
    if len(body) > MAX_BYTES or len(body) * MOST_BYTES > limit_bytes:
        return None
    try:
        arrays, options, weak, texts = _understood(orjson.loads(body), limit_bytes)
    except (ValueError, RequestError):
        return None
    # Escaped quotation marks and keys that were dropped both make more of them than the texts have.
    if body.count(b'"') != 2 * texts or (weak and (b"true" in body or b"false" in body)):
        return None
    return Message(arrays, options, frozenset(weak) if weak else NONE_WEAK)


def _understood(
    document: Any, limit_bytes: int
) -> tuple[dict[str, np.ndarray], dict[str, Value], list[str], int]:
    """Arrays, options and weak names of the outermost object, and how many keys and texts are in it."""
    if type(document) is not dict:
        raise ValueError
    arrays: dict[str, np.ndarray] = {}
    options: dict[str, Value] = {}
    weak: list[str] = []
    texts = len(document)
    for key, value in document.items():
        if key in OPTIONS:
            if type(value) is str:
                texts += 1
            elif type(value) not in NUMBERS or abs(value) >= SURE:
                raise ValueError
            options[key] = value
        elif key not in SIDES:
            raise ValueError
        elif type(value) is dict:
            arrays[key] = read_base64(key, value, 0, limit_bytes)
            texts += BASE64_TEXTS
        else:
            arrays[key] = _numbers(value)
            weak.append(key)
    return arrays, options, weak, texts


def _numbers(value: Any) -> np.ndarray:
    """A number or a list of numbers as one array; a boolean among numbers is not found.

    Raises:
        ValueError: for anything that is neither int64 nor surely float64.
    """
    array = np.array(value)
    if array.ndim > MAX_DIMENSIONS:
        raise ValueError
    if array.dtype == FLOAT64 and np.vdot(array, array) < SURE_SQUARES:  # so is the square of each
        return array
    if array.dtype == INT64:
        return array
    raise ValueError
