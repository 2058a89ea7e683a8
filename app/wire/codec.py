"""``Codec``: one format, as a row of the table of formats. Knows no format by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.errors import NotAcceptable, UnknownFormat
from app.specs import Answer, Message

Read = Callable[[bytes, int, str], Message]
Write = Callable[[Answer, str], bytes]
BINARY: Mapping[str, Any] = {"type": "string", "format": "binary"}


@dataclass(frozen=True)
class Codec:
    """One format of bodies.

    Args:
        media_type: its name in Content-Type and Accept.
        description: what a body in it holds, for the API's documentation.
        read: ``(body, limit_bytes, boundary) -> Message``, or None where requests cannot use it.
        write: ``(answer, arrays) -> bytes``, or None where answers cannot use it.
        schema: JSON Schema of a request body.
        example: a request body, where JSON can show it.
        answer_schema: JSON Schema of an answer body.
    """

    media_type: str
    description: str
    read: Read | None = None
    write: Write | None = None
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
        return self.write is not None

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
        if self.write is None:
            raise NotAcceptable(f"answers cannot be {self.media_type}")
        return self.write(answer, arrays)
