"""application/x-npy: the bytes of one ``.npy`` file <-> one array.

The header is read as a literal, checked against the bytes that follow, and only then becomes an array;
nothing here unpickles.
"""

import ast
import io
import re
from functools import lru_cache
from math import prod

import numpy as np
from numpy.lib import format as npy_format

from app.errors import DecodeError
from app.specs import Message
from app.wire.arrays import LITTLE, Claim, claimed, misfit, taken
from app.wire.codec import Codec, Frame, lies_ready
from app.wire.names import check_room, shown

MAX_HEADER_BYTES = 10_000  # NumPy's own limit
PREFIX_BYTES = 8  # magic and version
LENGTH_BYTES = {b"\x01\x00": 2, b"\x02\x00": 4, b"\x03\x00": 4}
KEYS = {"descr", "fortran_order", "shape"}
DESCR = {
    **{f"{mark}{kind}1": np.dtype(f"{kind}1") for mark in "|<>=" for kind in "biu"},
    **{
        f"{mark}{kind}": np.dtype(f"{mark}{kind}")
        for mark in "<>"
        for kind in ("i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8")
    },
}
# Literals that NumPy never writes; some of them make the parser warn instead of raising.
UNUSUAL = re.compile(r"\\|[0-9][A-Za-z_]|[^\x20-\x7e\s]")


def read_npy(data: bytes | memoryview, where: str) -> np.ndarray:
    """The array of one ``.npy`` file, in native byte order.

    Args:
        data: the file, whole.
        where: the array's name, for errors.

    Raises:
        DecodeError: for any file but one plain array of booleans, integers or floats.
    """
    if data[:6] != npy_format.MAGIC_PREFIX:
        raise DecodeError(
            f"{where}: not an npy file, it does not begin with \\x93NUMPY; write it with numpy.save"
        )
    width = LENGTH_BYTES.get(bytes(data[6:8]))
    if width is None:
        raise DecodeError(f"{where}: npy version {shown(tuple(data[6:8]))}; versions 1.0, 2.0, 3.0 are read")
    start = PREFIX_BYTES + width
    length = int.from_bytes(data[PREFIX_BYTES:start], "little")
    if length > MAX_HEADER_BYTES:
        raise DecodeError(f"{where}: npy header of {length} bytes; at most {MAX_HEADER_BYTES} are read")
    if start + length > len(data):
        raise DecodeError(f"{where}: the npy file ends inside its header; send the file whole")
    claim = _claim(bytes(data[start : start + length]), where)
    start += length
    if claim.nbytes != len(data) - start:
        raise misfit(claim, len(data) - start, where)
    return taken(claim, data, start, where)


@lru_cache(maxsize=256)  # clients send the same shapes again and again; a header is short
def _claim(header: bytes, where: str) -> Claim:
    """What a header claims."""
    fields = _literal(header.decode("latin-1"), where)
    if not isinstance(fields, dict) or set(fields) != KEYS:
        raise DecodeError(f"{where}: an npy header holds descr, fortran_order and shape, and nothing else")
    if type(fields["fortran_order"]) is not bool:
        raise DecodeError(f"{where}: fortran_order in the npy header is neither True nor False")
    if not isinstance(fields["shape"], tuple):
        raise DecodeError(f"{where}: shape in the npy header is not a tuple")
    return claimed(_dtype(fields["descr"], where), fields["shape"], where, fields["fortran_order"])


def _literal(text: str, where: str) -> object:
    try:
        if UNUSUAL.search(text):
            raise ValueError
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise DecodeError(f"{where}: the npy header is not as NumPy writes it: {shown(text[:40])}") from None


def _dtype(descr: object, where: str) -> np.dtype:
    if isinstance(descr, str) and descr in DESCR:
        return DESCR[descr]
    if descr in ("<V2", "|V2"):
        raise DecodeError(
            f"{where}: dtype {descr} is what NumPy writes for bfloat16, and npy cannot say which it is; "
            "send bfloat16 as safetensors, or in JSON as base64"
        )
    raise DecodeError(
        f"{where}: npy dtype {shown(descr)} is not read; send booleans, integers of 8 to 64 bits, "
        "or floats of 16 to 64 bits"
    )


@lru_cache(maxsize=256)
def npy_frame(dtype: str, shape: tuple[int, ...]) -> Frame:
    """What makes an array's bytes an ``.npy`` file, version 1.0, in C order and little-endian."""
    head = io.BytesIO()
    descr = npy_format.dtype_to_descr(LITTLE[dtype])
    npy_format.write_array_header_1_0(head, {"descr": descr, "fortran_order": False, "shape": shape})
    return Frame(head.getvalue(), head.tell() + prod(shape) * LITTLE[dtype].itemsize)


def _read(body: bytes, limit_bytes: int, _boundary: str = "") -> Message:
    check_room(len(body) - min(len(body), MAX_HEADER_BYTES), limit_bytes)
    return Message({"x1": read_npy(body, "x1")}, {})


NPY = Codec(
    "application/x-npy",
    "A NumPy `.npy` file. A request: x1 alone, its options in the query. An answer: the matrix.",
    _read,
    framed=npy_frame,
    quick=lies_ready,
)
