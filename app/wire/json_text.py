"""application/json: an object of arrays and options -> Message; Answer -> an object with the matrix.

A list of numbers that is rectangular becomes one weak array; any other list becomes parts by number, and
whether those are a sequence or a ragged array, the function's spec decides.
"""

from types import ModuleType
from typing import Any

import numpy as np
import orjson

from app.errors import DecodeError, InvalidOption
from app.specs import Answer, Message
from app.wire.codec import SHORT_BYTES, Codec
from app.wire.json_arrays import NUMBER_BYTES, ArrayReader
from app.wire.json_base64 import SCHEMA, write_base64
from app.wire.json_short import read_short
from app.wire.names import SIDES, check_name, check_room, is_array
from app.wire.options import OPTIONS, Value, unknown

try:
    from app.wire import json_simd as fastest
except ImportError:  # no build for this Python
    from app.wire import json_plain as fastest

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MIN_NUMBER_BYTES = 2  # a digit and a comma
QUICK_BYTES, FEW_LISTS = 1 << 20, 1 << 10
FEW = 64
NOT_NUMBERS = 64  # more than the options of any request


def read_json(body: bytes, limit_bytes: int, parser: ModuleType = fastest) -> Message:
    """Read the arrays and options of a document.

    Args:
        body: the document, whole.
        limit_bytes: largest sum of the arrays' sizes; a number counts as 8 bytes.
        parser: what reads the text.

    Raises:
        DecodeError: for anything but an object of numbers and options.
        BodyTooLarge: where the arrays are larger than the limit.
    """
    if body.startswith(BYTE_ORDER_MARK):
        raise DecodeError("the body begins with a byte-order mark; send UTF-8 without one")
    _check_count(body, limit_bytes)
    document = parser.parse(body)
    if type(document) is not parser.Object:
        raise DecodeError('the body is not an object such as {"function": …, "x1": …}')
    message, lists = _read_object(document, ArrayReader(parser, limit_bytes))
    # A list hides where a number was expected, or a text holds a bracket.
    if message.weak and lists != _count(body, b"["):
        message, _ = _read_object(document, ArrayReader(parser, limit_bytes, careful=True))
    return message


def _count(body: bytes, mark: bytes) -> int:
    # bytes.count looks at one byte at a time. On large bodies it is forty times faster to find the next one,
    # where there are few, and five times with NumPy.
    if len(body) < 4096:
        return body.count(mark)
    found, at = 0, body.find(mark)
    while at >= 0 and found < FEW:
        found, at = found + 1, body.find(mark, at + 1)
    return found if at < 0 else int(np.count_nonzero(np.frombuffer(body, np.uint8) == ord(mark)))


def is_quick(body: bytes) -> bool:
    """Whether a document is read quickly: each list costs as much as a hundred numbers."""
    if len(body) <= SHORT_BYTES:
        return True
    return len(body) <= QUICK_BYTES and _count(body, b"[") <= FEW_LISTS


def _check_count(body: bytes, limit_bytes: int) -> None:
    """Bound the numbers in a text by its commas, before a parser makes room for them."""
    if len(body) // MIN_NUMBER_BYTES * NUMBER_BYTES > limit_bytes:
        check_room((_count(body, b",") - NOT_NUMBERS) * NUMBER_BYTES, limit_bytes)


def _read_object(document: Any, reader: ArrayReader) -> tuple[Message, int]:
    """Arrays and options of the outermost object, and the number of lists in it."""
    options: dict[str, Value] = {}
    for key, value in reader.fields(document).items():
        if key in SIDES:
            reader.take(key, value)
        elif is_array(key):
            check_name(key)
            reader.take(key, value)
        else:
            options[key] = _option(key, value)
    return Message(reader.arrays, options, frozenset(reader.weak)), reader.lists


def _option(name: str, value: Any) -> Value:
    if name not in OPTIONS:
        if not isinstance(value, (str, int, float)):
            check_name(name)
        raise unknown(name)
    if value is None or not isinstance(value, (str, int, float)):
        kind = "null" if value is None else "a list or an object"
        raise InvalidOption(
            f"option {name!r} is {kind}; expected a {OPTIONS[name].schema['type']}, or leave it out"
        )
    return value


def write_json(answer: Answer, arrays: str) -> bytes:
    """The answer as an object; an entry that is not finite is null in lists, and itself in base64."""
    matrix: Any = answer.matrix
    if arrays == "base64":
        matrix = write_base64(matrix, answer.dtype, answer.shape)
    elif not matrix.flags.c_contiguous:
        matrix = np.ascontiguousarray(matrix)
    document = {
        "function": answer.function,
        "version": answer.version,
        "wrt": answer.wrt,
        "algorithm": answer.algorithm,
        "dtype": answer.dtype,
        "shape": answer.shape,
        "non_finite": answer.non_finite,
        **({} if answer.verified is None else {"verified": answer.verified}),
        "matrix": matrix,
    }
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def _read(body: bytes, limit_bytes: int, _boundary: str = "") -> Message:
    return read_short(body, limit_bytes) or read_json(body, limit_bytes)


VERIFIED = {
    "type": "object",
    "description": "With `verify`: how far off the entries are that were computed a second time.",
    "properties": {
        "entries": {"type": "integer", "minimum": 1},
        "error": {
            "type": ["number", "null"],
            "minimum": 0,
            "description": "in units of eps · ‖J1 row‖ · ‖J2 row‖; null for an infinite one",
        },
        "place": {"type": "array", "items": {"type": "integer"}, "description": "of the error: i, a, j, b"},
        "dtype": {"type": "string", "description": "what the entries were computed in"},
        "evaluation": {
            "type": ["number", "null"],
            "minimum": 0,
            "description": "error of the function itself, in units of eps · max |y|; null where not known",
        },
    },
    "required": ["entries", "error", "place", "dtype", "evaluation"],
}
ARRAY = {
    "description": "Numbers, lists of numbers, an array in base64, or parts of a tree by name.",
    "anyOf": [{"type": "number"}, {"type": "array"}, SCHEMA, {"type": "object", "minProperties": 1}],
}
JSON = Codec(
    "application/json",
    "Arrays as nested lists of numbers, or as `dtype`, `shape` and `base64`; options beside them.",
    _read,
    write_json,
    quick=is_quick,
    schema={
        "type": "object",
        "properties": {"x1": ARRAY, "x2": ARRAY, **{name: option.schema for name, option in OPTIONS.items()}},
        "patternProperties": {r"^x[12]\.": ARRAY},
        "additionalProperties": False,
    },
    example={"function": "arm_pose", "x1": [0.1, -0.4, 0.3, 1.2, -0.2, 0.8, 0.5]},
    answer_schema={
        "type": "object",
        "properties": {
            "function": {"type": "string"},
            "version": {"type": "string"},
            "wrt": {"type": "string"},
            "algorithm": {"type": "string"},
            "dtype": {"enum": ["float32", "float64"]},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}},
            "non_finite": {"type": "integer", "minimum": 0},
            "verified": VERIFIED,
            "matrix": {"anyOf": [{"type": "array"}, SCHEMA]},
        },
        "required": ["function", "version", "wrt", "algorithm", "dtype", "shape", "non_finite", "matrix"],
    },
)
