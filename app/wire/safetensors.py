"""application/vnd.safetensors: a JSON header and the bytes of arrays <-> arrays by name.

The format is a length, a header and bytes. It is read here, and not by its library, because the library
copies every array, keeps the last of two equal keys and has no bfloat16 for NumPy.
"""

import json
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from app.errors import DecodeError
from app.specs import Message
from app.wire.arrays import LITTLE, Claim, claimed, misfit, taken
from app.wire.codec import Codec, Frame, lies_ready
from app.wire.names import MAX_ARRAYS, check_name, check_room, shown

PREFIX_BYTES = 8
CACHED_BYTES = 1 << 12
MAX_HEADER_BYTES = 1 << 20
METADATA = "__metadata__"
WORDS = {
    "BOOL": "bool",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
}
WORD_OF = {name: word for word, name in WORDS.items()}


class _Entry(NamedTuple):
    name: str
    claim: Claim
    first: int  # offset of its first byte in the data
    last: int


def read_safetensors(body: bytes, limit_bytes: int) -> dict[str, np.ndarray]:
    """The arrays of a file by name: views of its bytes.

    Args:
        body: the file, whole.
        limit_bytes: largest sum of the arrays' sizes.

    Raises:
        DecodeError: where header and bytes do not agree in every detail.
        BodyTooLarge: where the arrays are larger than the limit.
    """
    if len(body) < PREFIX_BYTES:
        raise DecodeError(f"a safetensors file has at least {PREFIX_BYTES} bytes, and {len(body)} came")
    length = int.from_bytes(body[:PREFIX_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        raise DecodeError(f"safetensors header of {length} bytes; at most {MAX_HEADER_BYTES} are read")
    start = PREFIX_BYTES + length
    if start > len(body):
        raise DecodeError("the safetensors file ends inside its header; send the file whole")
    check_room(len(body) - start, limit_bytes)
    entries = (_entries if length < CACHED_BYTES else _entries.__wrapped__)(body[PREFIX_BYTES:start])
    end = entries[-1].last if entries else 0
    if end != len(body) - start:
        raise DecodeError(f"the arrays end at byte {shown(end)}, and {len(body) - start} bytes of data came")
    return {name: taken(claim, body, start + first, name) for name, claim, first, _ in entries}


@lru_cache(maxsize=256)  # clients send the same shapes again and again
def _entries(header: bytes) -> tuple[_Entry, ...]:
    """What a header claims, in the order of the data: no holes, no overlaps."""
    fields = _parse(header)
    _check_metadata(fields.pop(METADATA, {}))
    if len(fields) > MAX_ARRAYS:
        raise DecodeError(f"{len(fields)} arrays in one file; at most {MAX_ARRAYS} are read")
    entries = [_entry(name, field) for name, field in fields.items()]
    entries.sort(key=lambda entry: (entry.first, entry.last))
    end = 0
    for name, _, first, last in entries:
        if first != end:
            raise DecodeError(
                f"{name}: data_offsets begin at {shown(first)}, expected {end}: no holes, no overlaps"
            )
        end = last
    return tuple(entries)


def _parse(header: bytes) -> dict[str, Any]:
    try:
        text = header.decode("utf-8")
        fields = json.loads(text, object_pairs_hook=_once) if text.startswith("{") else None
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise DecodeError("the safetensors header is not a JSON object")
    return fields


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise DecodeError("the safetensors header gives a name twice; send each array once")
    return fields


def _check_metadata(metadata: object) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise DecodeError("__metadata__ in the safetensors header is not an object of texts")


def _entry(name: str, field: object) -> _Entry:
    check_name(name)
    if not isinstance(field, dict) or not {"dtype", "shape", "data_offsets"} <= set(field):
        raise DecodeError(f"{name}: an array in a safetensors header has dtype, shape and data_offsets")
    word, offsets = field["dtype"], field["data_offsets"]
    if not isinstance(word, str) or word not in WORDS:
        raise DecodeError(
            f"{name}: safetensors dtype {shown(word)} is not read; expected one of {', '.join(WORDS)}"
        )
    if not isinstance(offsets, list) or [type(at) for at in offsets] != [int, int] or min(offsets) < 0:
        raise DecodeError(f"{name}: data_offsets {shown(offsets)} are not two integers of at least 0")
    claim = claimed(LITTLE[WORDS[word]], field["shape"], name)
    if claim.nbytes != offsets[1] - offsets[0]:
        raise misfit(claim, offsets[1] - offsets[0], name)
    return _Entry(name, claim, *offsets)


@lru_cache(maxsize=256)
def safetensors_frame(dtype: str, shape: tuple[int, ...]) -> Frame:
    """What makes an array's bytes a file of one tensor, ``matrix``, its data aligned to 8 bytes."""
    data_bytes = prod(shape) * LITTLE[dtype].itemsize
    fields = {"matrix": {"dtype": WORD_OF[dtype], "shape": shape, "data_offsets": [0, data_bytes]}}
    head = json.dumps(fields, separators=(",", ":")).encode()
    head += b" " * (-len(head) % PREFIX_BYTES)
    return Frame(len(head).to_bytes(PREFIX_BYTES, "little") + head, PREFIX_BYTES + len(head) + data_bytes)


def _read(body: bytes, limit_bytes: int, _boundary: str = "") -> Message:
    return Message(read_safetensors(body, limit_bytes), {})


SAFETENSORS = Codec(
    "application/vnd.safetensors",
    "A safetensors file. A request: tensors x1 and x2 (or parts such as `x1.position`), options in the "
    "query. An answer: one tensor, `matrix`.",
    _read,
    framed=safetensors_frame,
    quick=lies_ready,
)
