"""``ENCODINGS``, the only list of content codings, and what Content-Encoding says of them. No bodies."""

import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Protocol

from app.errors import UnknownEncoding
from app.wire.names import shown

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

IDENTITY = "identity"
MAX_WINDOW_LOG = 23  # 8 MiB, what RFC 9659 lets senders ask of readers
LEVEL = 1  # of both: higher ones take twice to five times as long for some hundredths of the digits


class Decompressor(Protocol):
    """Reads one member or frame."""

    @property
    def eof(self) -> bool:
        """Whether all of it was read."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What came behind it."""
        ...

    def decompress(self, data: bytes | memoryview, max_length: int, /) -> bytes:
        """Some of what it holds."""
        ...


class Compressor(Protocol):
    """Writes one member or frame."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        """What can be said of all so far; often nothing."""
        ...

    def flush(self) -> bytes:
        """The rest."""
        ...


@dataclass(frozen=True)
class Encoding:
    """One content coding.

    Args:
        name: in Content-Encoding and Accept-Encoding.
        piece: what a body of it consists of.
        decompressor: makes what reads one piece.
        rest: what a decompressor is to be given next; None where that is new input.
        compressor: makes what writes one piece.
        broken: what a decompressor raises.
    """

    name: str
    piece: str
    decompressor: Callable[[], Decompressor]
    rest: Callable[[Any], bytes | None]
    compressor: Callable[[], Compressor]
    broken: type[Exception]

    def compress(self, data: bytes | memoryview) -> bytes:
        """All of it as one piece."""
        compressor = self.compressor()
        return b"".join((compressor.compress(data), compressor.flush()))


GZIP = Encoding(
    "gzip",
    "member",
    lambda: zlib.decompressobj(wbits=31),
    lambda reader: reader.unconsumed_tail or None,
    lambda: zlib.compressobj(LEVEL, wbits=31),
    zlib.error,
)
ZSTD = Encoding(
    "zstd",
    "frame",
    lambda: zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: MAX_WINDOW_LOG}),
    lambda reader: None if reader.needs_input else b"",
    lambda: zstd.ZstdCompressor(LEVEL),
    zstd.ZstdError,
)
ENCODINGS: Mapping[str, Encoding] = MappingProxyType({each.name: each for each in (ZSTD, GZIP)})  # best first
ALIASES = {"x-gzip": GZIP.name}  # RFC 9110, 8.4.1.3


@lru_cache(maxsize=64)
def encoding_of(content_encoding: str | None) -> Encoding | None:
    """How a body is compressed; None where it is not.

    Args:
        content_encoding: the header's value, or None where it is missing.

    Raises:
        UnknownEncoding: for a coding that is not read, and for more than one: one bomb in another.
    """
    named = [name.strip().lower() for name in (content_encoding or "").split(",")]
    named = [ALIASES.get(name, name) for name in named if name not in ("", IDENTITY)]
    if not named:
        return None
    if len(named) > 1 or named[0] not in ENCODINGS:
        raise UnknownEncoding(
            f"Content-Encoding {shown(content_encoding)} is not read; send one of {', '.join(ENCODINGS)}, "
            f"once, or {IDENTITY}"
        )
    return ENCODINGS[named[0]]
