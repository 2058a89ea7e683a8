"""An array in JSON as dtype, shape and base64 <-> an array. Knows no document around it."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pybase64

from app.errors import DecodeError
from app.specs import DTYPES
from app.wire.arrays import Claim, claimed, misfit, named, raw, taken
from app.wire.names import check_room, shown

KEYS = {"dtype", "shape", "base64"}
SCHEMA = {
    "type": "object",
    "properties": {
        "dtype": {"enum": list(DTYPES)},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "base64": {"type": "string", "format": "byte", "description": "little-endian, C order"},
    },
    "required": ["dtype", "shape", "base64"],
    "additionalProperties": False,
}


def read_base64(name: str, fields: Mapping[str, Any], used_bytes: int, limit_bytes: int) -> np.ndarray:
    """The array that an object holds.

    Args:
        name: the array's, for errors.
        fields: the object's values by key, the shape as a list.
        used_bytes: sizes of the arrays before it.
        limit_bytes: largest sum of the arrays' sizes.

    Returns:
        ``[*shape]``, read-only.

    Raises:
        DecodeError: unless there are dtype, shape and base64, nothing else, and they agree to the byte.
        BodyTooLarge: where the shape is too large for the limit, before anything is decoded.
    """
    try:
        text, dtype, shape = fields["base64"], fields["dtype"], fields["shape"]
    except KeyError:
        text, dtype, shape = None, None, ()  # refused next
    if type(text) is not str or len(fields) != len(KEYS):
        raise DecodeError(f"{shown(name)}: an array in base64 has dtype, shape and base64, nothing else")
    try:
        claim = _claim(name, dtype, *shape)
    except TypeError:  # the shape is no list, or one of lists
        claim = claimed(named(dtype, name), shape, name)
    nbytes = claim.nbytes
    check_room(used_bytes + nbytes, limit_bytes)
    try:
        data = pybase64.b64decode(text, None, True)
    except ValueError:
        raise DecodeError(
            f"{shown(name)}: base64 is not padded standard base64: A-Z a-z 0-9 + / in fours, no spaces"
        ) from None
    if len(data) != nbytes:
        raise misfit(claim, len(data), name)
    return taken(claim, data, 0, name)


@lru_cache(maxsize=256, typed=True)  # clients send the same shapes again; typed: True is no 1
def _claim(name: str, dtype: str, *shape: int) -> Claim:
    return claimed(named(dtype, name), shape, name)


def write_base64(array: np.ndarray, dtype: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """The object that holds an array."""
    return {"dtype": dtype, "shape": shape, "base64": pybase64.b64encode_as_string(raw(array))}
