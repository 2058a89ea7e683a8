"""Arrays by name -> the bytes of a safetensors file: a length, a header in JSON, the arrays' bytes.

Written here because the format is that short. The format has no order and no byte order: each array goes
out in C order and little-endian, whatever it is here.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from jjt_client.errors import InvalidInput

MEDIA_TYPE = "application/vnd.safetensors"
ALIGNED_BYTES = 8  # readers view the data in place
WORDS = {
    "bool": "BOOL",
    "bfloat16": "BF16",
    **{f"float{bits}": f"F{bits}" for bits in (16, 32, 64)},
    **{f"int{bits}": f"I{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"U{bits}" for bits in (8, 16, 32, 64)},
}


def write_safetensors(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The file of arrays.

    Args:
        arrays: of any order and byte order; ``bfloat16`` is a dtype of that name, from any package.

    Raises:
        InvalidInput: for a dtype that the format, or the service, does not have.
    """
    fields: dict[str, Any] = {}
    end = 0
    for name, array in arrays.items():
        first, end = end, end + array.nbytes
        fields[name] = {"dtype": _word(name, array), "shape": array.shape, "data_offsets": (first, end)}
    head = json.dumps(fields, separators=(",", ":")).encode()
    head += b" " * (-len(head) % ALIGNED_BYTES)
    return b"".join((len(head).to_bytes(8, "little"), head, *map(_raw, arrays.values())))


def _word(name: str, array: np.ndarray) -> str:
    try:
        return WORDS[array.dtype.name]
    except KeyError:
        raise InvalidInput(
            f"{name}: dtype {array.dtype} is not read; cast it to {', '.join(WORDS)}"
        ) from None


def _raw(array: np.ndarray) -> memoryview:
    """The bytes of an array in C order and little-endian, without a copy where they lie so."""
    if array.dtype.name == "bfloat16":  # a dtype that NumPy cannot turn round
        array = array.view(np.uint16)
    return np.asarray(array, array.dtype.newbyteorder("<"), order="C").reshape(-1).view(np.uint8).data
