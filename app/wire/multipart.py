"""multipart/form-data: parts with a filename are ``.npy`` arrays, parts without are options -> Message.

Parsed in memory by python-multipart; arrays are cut out of the body once. No answer is in this format.
"""

from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.errors import DecodeError
from app.specs import Message
from app.wire.codec import BINARY, Codec
from app.wire.names import check_name, check_new, check_room, shown
from app.wire.npy import read_npy
from app.wire.options import OPTIONS, Value, from_text, given_twice, unknown

MAX_PARTS = 256
MAX_OPTION_BYTES = 1 << 16
PLAIN_ENCODINGS = ("", "binary", "8bit", "7bit")


@dataclass
class _Part:
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)

    def data(self) -> bytes:
        return self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)


class _Parts:
    """Collects the parser's callbacks as parts."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.whole = False
        self._name = self._value = ""

    def begin(self) -> None:
        if len(self.parts) == MAX_PARTS:
            raise DecodeError(f"the form has more than {MAX_PARTS} parts; expected x1, x2 and options")
        self.parts.append(_Part())

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end].decode("latin-1").lower()

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end].decode("latin-1")

    def header_end(self) -> None:
        check_new(self._name, self.parts[-1].headers, "header of a part")
        self.parts[-1].headers[self._name] = self._value
        self._name = self._value = ""

    def data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].pieces.append(data[start:end])

    def end(self) -> None:
        self.whole = True


def _split(body: bytes, boundary: str) -> list[_Part]:
    """The parts of a form, in their order."""
    found = _Parts()
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": found.begin,
                "on_header_field": found.header_field,
                "on_header_value": found.header_value,
                "on_header_end": found.header_end,
                "on_part_data": found.data,
                "on_end": found.end,
            },
        )
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise DecodeError(
            f"the form cannot be read: {shown(str(error))}; check boundary and headers"
        ) from None
    if not found.whole:
        raise DecodeError(
            "the form ends before its last boundary; send it whole, with the boundary of Content-Type"
        )
    return found.parts


def _disposition(part: _Part) -> tuple[str, bool]:
    """The name of a part, and whether it is a file."""
    kind, values = parse_options_header(part.headers.get("content-disposition", ""))
    if kind != b"form-data" or not values.get(b"name"):
        raise DecodeError("a part of the form has no name; each needs Content-Disposition: form-data; name=…")
    if part.headers.get("content-transfer-encoding", "").lower() not in PLAIN_ENCODINGS:
        raise DecodeError("a part of the form has a Content-Transfer-Encoding; send its bytes as they are")
    return values[b"name"].decode("utf-8", "replace"), b"filename" in values


def _option(name: str, data: bytes) -> Value:
    if name not in OPTIONS:
        raise unknown(name)
    if len(data) > MAX_OPTION_BYTES:
        raise DecodeError(f"option {name!r} has {len(data)} bytes; at most {MAX_OPTION_BYTES} are read")
    try:
        return from_text(name, data.decode("utf-8"))
    except UnicodeDecodeError:
        raise DecodeError(f"option {name!r} is not text in UTF-8") from None


def _read(body: bytes, limit_bytes: int, boundary: str) -> Message:
    if not boundary:
        raise DecodeError("Content-Type names no boundary; expected multipart/form-data; boundary=…")
    arrays, options = {}, {}
    for part in _split(body, boundary):
        name, is_file = _disposition(part)
        if not is_file:
            if name in options:
                raise given_twice(name)
            options[name] = _option(name, part.data())
            continue
        check_name(name)
        check_new(name, arrays, "array")
        arrays[name] = read_npy(part.data(), name)
    check_room(sum(array.nbytes for array in arrays.values()), limit_bytes)
    return Message(arrays, options)


MULTIPART = Codec(
    "multipart/form-data",
    "A form. Parts `x1`, `x2` with a filename are NumPy `.npy` files, parts without one are options: "
    "`curl -F function=f -F x1=@a.npy -F x2=@b.npy`.",
    _read,
    schema={
        "type": "object",
        "properties": {
            "x1": BINARY,
            "x2": BINARY,
            **{name: option.schema for name, option in OPTIONS.items()},
        },
        "patternProperties": {r"^x[12]\.": BINARY},
        "required": ["x1"],
        "additionalProperties": False,
    },
)
