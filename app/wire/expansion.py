"""A compressed body -> what it holds, bounded while it expands. Knows no coding by name, and no headers.

The bounds are bytes, and the pieces (members of gzip, frames of zstd) of which a body may consist.
"""

import io

from app.errors import BodyTooLarge, DecodeError
from app.wire.encodings import MAX_WINDOW_LOG, Encoding
from app.wire.names import shown

INPUT_BYTES = 64 << 10  # given to a decompressor at a time: what it leaves is copied, at each piece's end
OUTPUT_BYTES = 256 << 10  # taken from it at a time
MAX_PIECES = 10_000  # of one body; bgzip makes 4,000 of 256 MiB


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
