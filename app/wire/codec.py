"""``Codec``: one format, as a row of the table of formats. Knows no format by name.

Formats that hold the matrix as it lies in memory say what stands before and behind it, as a ``Frame``; whole
answers and answers in pieces are made of the same frame.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.errors import NotAcceptable, UnknownFormat
from app.specs import Answer, Message
from app.wire.arrays import raw


@dataclass(frozen=True)
class Frame:
    """What stands around the bytes of one array: known from dtype and shape, before any entry is.

    Args:
        head: before the data.
        total_bytes: of head, data and tail together.
        check: CRC-32 of what the format counts with the data, before it.
        closing: ``CRC-32 -> tail`` where the format has one, with the data counted in; as long for each.
    """

    head: bytes
    total_bytes: int
    check: int = 0
    closing: Callable[[int], bytes] | None = None

    def counted(self, check: int, piece: bytes | memoryview) -> int:
        """The CRC-32 after one more piece of the data; unchanged where the format has no use for it."""
        return check if self.closing is None else zlib.crc32(piece, check)

    def tail(self, check: int) -> bytes:
        """What stands behind the data."""
        return b"" if self.closing is None else self.closing(check)

    def around(self, data: bytes | memoryview) -> bytes:
        """The whole, of all data at once."""
        if self.closing is None:
            return b"".join((self.head, data))
        return b"".join((self.head, data, self.closing(zlib.crc32(data, self.check))))


READY_BYTES = 2 << 20
SHORT_BYTES = 64 << 10


def lies_ready(body: bytes) -> bool:
    """Whether a body is read quickly in which arrays lie as they are: they are cast at most."""
    return len(body) <= READY_BYTES


Read = Callable[[bytes, int, str], Message]
Write = Callable[[Answer, str], bytes]
Framed = Callable[[str, tuple[int, ...]], Frame]
BINARY: Mapping[str, Any] = {"type": "string", "format": "binary"}


@dataclass(frozen=True)
class Codec:
    """One format of bodies.

    Args:
        media_type: its name in Content-Type and Accept.
        description: what a body in it holds, for the API's documentation.
        read: ``(body, limit_bytes, boundary) -> Message``, or None where requests cannot use it.
        write: ``(answer, arrays) -> bytes``, or None where answers cannot use it, or use a frame.
        framed: ``(dtype, shape) -> Frame`` where an answer is its matrix in a frame, and can be streamed.
        quick: whether a body is read in less than a millisecond, or two.
        schema: JSON Schema of a request body.
        example: a request body, where JSON can show it.
        answer_schema: JSON Schema of an answer body.
    """

    media_type: str
    description: str
    read: Read | None = None
    write: Write | None = None
    framed: Framed | None = None
    quick: Callable[[bytes], bool] = lambda body: len(body) <= SHORT_BYTES
    schema: Mapping[str, Any] = field(default_factory=lambda: BINARY)
    example: Any = None
    answer_schema: Mapping[str, Any] = field(default_factory=lambda: BINARY)

    @property
    def reads(self) -> bool:
        """Whether a request body can be in this format."""
        return self.read is not None

    @property
    def writes(self) -> bool:
        """Whether an answer can be in this format."""
        return self.write is not None or self.framed is not None

    def decode(self, body: bytes, limit_bytes: int, boundary: str = "") -> Message:
        """Read a body.

        Args:
            body: all of it.
            limit_bytes: largest size of the arrays that it expands to.
            boundary: of Content-Type, for the format that has one.

        Raises:
            DecodeError: where the bytes are not what the format says.
            BodyTooLarge: where they expand to more than ``limit_bytes``.
            UnknownFormat: if requests cannot use this format.
        """
        if self.read is None:
            raise UnknownFormat(f"request bodies cannot be {self.media_type}")
        return self.read(body, limit_bytes, boundary)

    def encode(self, answer: Answer, arrays: str = "lists") -> bytes:
        """Write an answer; ``arrays`` says how a text format carries the matrix: lists or base64.

        Raises:
            NotAcceptable: if answers cannot use this format.
        """
        if self.framed is not None:
            return self.framed(answer.dtype, answer.shape).around(raw(answer.matrix))
        if self.write is None:
            raise NotAcceptable(f"answers cannot be {self.media_type}")
        return self.write(answer, arrays)
