"""Bytes in a content coding <-> the bytes themselves: ``ENCODINGS``, and the choice among them by headers.

What a body expands to is bounded while it expands: by bytes, and by the pieces (members of gzip, frames of
zstd) of which it may consist. Knows no format of arrays, and no HTTP framework.
"""

import io
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Protocol

from app.errors import BodyTooLarge, DecodeError, NotAcceptable, UnknownEncoding
from app.wire.media import parse_codings
from app.wire.names import shown

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

IDENTITY = "identity"
INPUT_BYTES = 64 << 10  # given to a decompressor at a time: what it leaves is copied, at each piece's end
OUTPUT_BYTES = 256 << 10  # taken from it at a time
MAX_PIECES = 10_000  # of one body; bgzip makes 4,000 of 256 MiB
MAX_WINDOW_LOG = 23  # 8 MiB, what RFC 9659 lets senders ask of readers
LEVEL = 1  # of both: higher ones take twice to five times as long for some hundredths of the digits
LEAST_BYTES = 1 << 10  # of an answer: less fits into one packet as it is
PROBE_BYTES = 16 << 10
WORTH = 0.8  # of its size, at most, that compressing should leave


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


class Expansion:
    """A compressed body on its way to what it holds; goes as far as it is told to, and then further.

    Args:
        encoding: of the body.
        body: all of it.
        limit_bytes: largest size of what it expands to.
    """

    def __init__(self, encoding: Encoding, body: bytes, limit_bytes: int) -> None:
        self._encoding = encoding
        self._body = memoryview(body)
        self._limit_bytes = limit_bytes
        self._read = 0
        self._reader = encoding.decompressor()
        self._pieces = 1
        self._rest: bytes | None = None
        self._expanded = io.BytesIO()  # whose value is had without a copy

    def go(self, upto_bytes: int) -> bool:
        """Expand until more than ``upto_bytes`` are held, or all is.

        Returns:
            Whether that is all.

        Raises:
            DecodeError: where the body is not what its coding says, is cut off, or has something behind it.
            BodyTooLarge: where it expands to more than the limit.
        """
        upto_bytes = min(upto_bytes, self._limit_bytes)
        try:
            while self._expanded.tell() <= upto_bytes:
                if self._reader.eof and not self._next_piece():
                    return True
                self._step(upto_bytes + 1 - self._expanded.tell())
        except self._encoding.broken as error:
            raise self._unreadable(str(error).rpartition(": ")[2]) from None
        if self._expanded.tell() > self._limit_bytes:
            raise BodyTooLarge(
                f"the body expands to more than {self._limit_bytes} bytes; send fewer examples at a time",
                allowed_bytes=self._limit_bytes,
            )
        return False

    def value(self) -> bytes:
        """What is expanded so far."""
        return self._expanded.getvalue()

    def _step(self, room_bytes: int) -> None:
        """Take out some bytes, after new input where that is due."""
        given = self._rest
        if given is None:
            given = self._body[self._read : self._read + INPUT_BYTES]
            self._read += len(given)
        data = self._reader.decompress(given, min(room_bytes, OUTPUT_BYTES))
        self._rest = self._encoding.rest(self._reader)
        self._expanded.write(data)
        if not (data or given or self._reader.eof):
            raise DecodeError(
                f"the body ends within a {self._encoding.piece} of {self._encoding.name}; send all of it, "
                "or leave Content-Encoding out where it is not compressed"
            )

    def _next_piece(self) -> bool:
        self._read -= len(self._reader.unused_data)
        self._rest = None
        if self._read == len(self._body):
            return False
        self._pieces += 1
        if self._pieces > MAX_PIECES:
            raise DecodeError(
                f"the body has more than {MAX_PIECES} {self._encoding.piece}s of {self._encoding.name}; "
                "compress it as one"
            )
        self._reader = self._encoding.decompressor()
        return True

    def _unreadable(self, reason: str) -> DecodeError:
        name, piece = self._encoding.name, self._encoding.piece
        if self._pieces > 1:
            return DecodeError(
                f"what follows {piece} {self._pieces - 1} of {name} in the body is not another: "
                f"{shown(reason)}; send nothing behind what is compressed"
            )
        return DecodeError(
            f"the body is not the {name} that Content-Encoding says: {shown(reason)}; compress it anew "
            f"(zstd with a window of {1 << MAX_WINDOW_LOG >> 20} MiB at most), or leave the header out"
        )


def expanded(encoding: Encoding, body: bytes, limit_bytes: int) -> bytes:
    """What a compressed body holds, at once; raises as ``Expansion.go`` does."""
    expansion = Expansion(encoding, body, limit_bytes)
    expansion.go(limit_bytes)
    return expansion.value()


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


@dataclass(frozen=True)
class Packing:
    """How an answer is compressed.

    Args:
        encoding: of it.
        wanted: whether that was put above the plain answer, so that it is done for little too.
    """

    encoding: Encoding
    wanted: bool

    def pays(self, content: bytes | memoryview) -> bool:
        """Whether it is done for an answer, or for one of which this is the first part.

        Not for mantissas that are as good as random: those shrink by less than their compressing costs.
        """
        if self.wanted:
            return True
        probe = content[:PROBE_BYTES]
        return len(content) >= LEAST_BYTES and len(ZSTD.compress(probe)) <= WORTH * len(probe)

    def pack(self, content: bytes) -> bytes | None:
        """A whole answer, compressed; None where that does not pay."""
        return self.encoding.compress(content) if self.pays(content) else None


@lru_cache(maxsize=64)
def packing_of(accept_encoding: str | None) -> Packing | None:
    """How an answer may be compressed; None where it goes out as it is.

    The highest quality wins, then the order of ``ENCODINGS``; a coding wins over the plain answer unless that
    has the higher quality. Without the header, and where nothing fits, answers are plain: RFC 9110, 12.5.3.

    Args:
        accept_encoding: the header's value, or None where it is missing.

    Raises:
        NotAcceptable: where the plain answer is refused (``identity;q=0``), and all else that is written.
    """
    if accept_encoding is None:
        return None
    qualities = parse_codings(accept_encoding)
    qualities = {ALIASES.get(name, name): quality for name, quality in qualities.items()}
    rest = qualities.get("*")
    plain = qualities.get(IDENTITY, rest)
    ranked = [
        (-quality, place, name)
        for place, name in enumerate(ENCODINGS)
        if (quality := qualities.get(name, rest or 0.0)) > 0
    ]
    if not ranked:
        if plain == 0:
            raise NotAcceptable(
                f"Accept-Encoding {shown(accept_encoding)} takes nothing that is written; accept "
                f"{IDENTITY}, or one of {', '.join(ENCODINGS)}"
            )
        return None
    quality, _, name = min(ranked)
    if plain is not None and plain > -quality:
        return None
    return Packing(ENCODINGS[name], wanted=plain is not None and plain < -quality)
