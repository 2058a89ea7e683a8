"""``CODECS``, the only list of formats, and the choice among them by Content-Type and Accept. No bodies."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from app.errors import BodyTooLarge, DecodeError, NotAcceptable, UnknownFormat
from app.specs import Message
from app.wire.codec import Codec, Read
from app.wire.json_text import JSON
from app.wire.media import Range, parse_accept, parse_content_type
from app.wire.multipart import MULTIPART
from app.wire.names import shown
from app.wire.npy import NPY
from app.wire.npz import NPZ
from app.wire.safetensors import SAFETENSORS

CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        "application/json": JSON,
        "multipart/form-data": MULTIPART,
        "application/x-npy": NPY,
        "application/x-npz": NPZ,
        "application/vnd.safetensors": SAFETENSORS,
    }
)
READERS = [name for name, codec in CODECS.items() if codec.reads]
WRITERS = [name for name, codec in CODECS.items() if codec.writes]


def reader_for(content_type: str | None) -> Codec:
    """The codec that reads a body of this Content-Type.

    Raises:
        UnknownFormat: where it is missing, cannot be read, or names a charset other than utf-8.
    """
    return _reader(content_type)[0]


@lru_cache(maxsize=64)
def _reader(content_type: str | None) -> tuple[Codec, Read, str]:
    """The codec, how it reads, and the boundary that Content-Type names."""
    if not content_type:
        raise UnknownFormat(f"Content-Type is missing; send one of {', '.join(READERS)}")
    parsed = parse_content_type(content_type)
    codec = CODECS.get(parsed.media_type) if parsed else None
    if parsed is None or codec is None or codec.read is None:
        raise UnknownFormat(
            f"Content-Type {shown(content_type)} is not read; send one of {', '.join(READERS)}"
        )
    for charset in parsed.values("charset"):
        if charset.lower() != "utf-8":
            raise UnknownFormat(f"charset {shown(charset)} is not read; send utf-8, or no charset")
    return codec, codec.read, "".join(parsed.values("boundary")[:1])


def decode(content_type: str | None, body: bytes, limit_bytes: int) -> Message:
    """Read a request body.

    Args:
        content_type: the header's value, or None where it is missing.
        body: all of it.
        limit_bytes: largest size of the body, and of the arrays that it expands to.

    Raises:
        UnknownFormat: where no codec reads this Content-Type.
        DecodeError: where the bytes are not what the format says, or hold no x1.
        BodyTooLarge: where they are, or expand to, more than ``limit_bytes``.
    """
    codec, read, boundary = _reader(content_type)
    if len(body) > limit_bytes:
        raise BodyTooLarge(
            f"the body has {len(body)} bytes, and {limit_bytes} are allowed; send fewer examples at a time",
            allowed_bytes=limit_bytes,
            needed_bytes=len(body),
        )
    if not body:
        raise DecodeError(f"the body is empty; expected {codec.media_type} with x1")
    message = read(body, limit_bytes, boundary)
    if "x1" not in message.arrays and not any(name.startswith("x1.") for name in message.arrays):
        raise DecodeError(
            "x1 is missing; send it as an array, or as parts by dotted names such as x1.position"
        )
    return message


@lru_cache(maxsize=64)
def negotiate(accept: str | None, content_type: str | None) -> Codec:
    """The codec of the answer.

    The highest quality wins, then the more specific entry, then the earlier one; among the formats of one
    entry such as ``*/*``, JSON for requests in JSON and ``.npy`` for those in a binary format. A type with
    q=0 is refused even where a wider entry would take it.

    Args:
        accept: the header's value, or None where it is missing.
        content_type: of the request.

    Raises:
        NotAcceptable: where no codec writes what is accepted.
    """
    request = parse_content_type(content_type) if content_type else None
    binary = request is not None and request.media_type in READERS and request.media_type != JSON.media_type
    order = sorted(WRITERS, key=lambda name: name != (NPY if binary else JSON).media_type)
    if accept is None or not accept.strip():
        return CODECS[order[0]]
    ranges = parse_accept(accept)
    ranked = []
    for place, name in enumerate(order):
        best = _best(ranges, name)
        if best is not None and best.quality > 0:
            ranked.append((-best.quality, -best.specificity(name), best.place, place, name))
    if not ranked:
        raise NotAcceptable(
            f"Accept {shown(accept)} takes no format that is written; accept one of {', '.join(WRITERS)}"
        )
    return CODECS[min(ranked)[-1]]


def _best(ranges: list[Range], media_type: str) -> Range | None:
    """The most specific entry that matches; the first of equals."""
    matching = [entry for entry in ranges if entry.specificity(media_type) >= 0]
    return max(matching, key=lambda entry: entry.specificity(media_type), default=None)
