"""application/x-npz: a zip archive of ``.npy`` files <-> arrays by name.

The archive's directory is measured before it is read, members are few and inflate under one limit.
"""

import io
import struct
import zipfile
import zlib
from functools import lru_cache

import numpy as np

from app.errors import DecodeError
from app.specs import Message
from app.wire.archive import END, END_MARK, LOCATOR, LOCATOR_MARK, zip_frame
from app.wire.codec import Codec, Frame
from app.wire.names import check_name, check_new, check_room, shown
from app.wire.npy import npy_frame, read_npy

MEMBER = "matrix.npy"
MAX_DIRECTORY_BYTES = 1 << 16
PIECE_BYTES = 1 << 18  # stays in the cache between inflating, checksum and copy
ENCRYPTED = 1
# What zipfile and zlib raise for broken archives; each was met by mutating valid ones.
BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    IndexError,
)


def read_npz(body: bytes, limit_bytes: int) -> dict[str, np.ndarray]:
    """The arrays of an archive by name.

    Args:
        body: the archive, whole.
        limit_bytes: largest sum of what its members inflate to.

    Raises:
        DecodeError: for an archive that ``numpy.savez`` would not have written.
        BodyTooLarge: where it inflates to more than the limit.
    """
    _check_directory(body)
    arrays: dict[str, np.ndarray] = {}
    used_bytes = 0
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            for member in archive.infolist():
                name = _name(member)
                check_new(name, arrays, "array")
                check_room(used_bytes + member.file_size, limit_bytes)
                data = _inflate(archive, member)
                used_bytes += len(data)
                arrays[name] = read_npy(data, name)
    except BROKEN as error:
        raise DecodeError(
            f"the npz archive is broken: {shown(str(error))}; write it with numpy.savez"
        ) from None
    return arrays


def _check_directory(body: bytes) -> None:
    """Measure the list of members before zipfile makes an object of each."""
    tail = body[-END.size :]
    if len(tail) < END.size or not tail.startswith(END_MARK):
        raise DecodeError("not an npz archive: no zip directory at the end; send it whole, nothing after it")
    *_, size_bytes, _offset, _comment = END.unpack(tail)
    long_form = body[-END.size - LOCATOR.size : -END.size].startswith(LOCATOR_MARK)
    if long_form or size_bytes > MAX_DIRECTORY_BYTES:
        raise DecodeError(
            f"the npz archive's directory is larger than {MAX_DIRECTORY_BYTES} bytes; expected x1 and x2"
        )


def _name(member: zipfile.ZipInfo) -> str:
    name = member.filename
    if not name.endswith(".npy"):
        raise DecodeError(
            f"npz member {shown(name)} is not an array; expected x1.npy and x2.npy, as numpy.savez(x1=…)"
        )
    if member.flag_bits & ENCRYPTED:
        raise DecodeError(f"npz member {shown(name)} is encrypted; send it in the clear")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DecodeError(f"npz member {shown(name)} uses a compression other than stored or deflated")
    check_name(name.removesuffix(".npy"))
    return name.removesuffix(".npy")


def _inflate(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> memoryview:
    """A member's bytes, of the size that the directory declares, checksum compared."""
    data = np.empty(member.file_size, np.uint8).data
    end = 0
    with archive.open(member) as stream:
        while piece := stream.read(PIECE_BYTES):
            data[end : end + len(piece)] = piece
            end += len(piece)
    if end != member.file_size:
        raise DecodeError(
            f"npz member {shown(member.filename)} does not hold the bytes that its directory says"
        )
    return data.toreadonly()


@lru_cache(maxsize=256)
def npz_frame(dtype: str, shape: tuple[int, ...]) -> Frame:
    """What makes an array's bytes an archive of one stored member, ``matrix.npy``."""
    return zip_frame(MEMBER, npy_frame(dtype, shape))


def _read(body: bytes, limit_bytes: int, _boundary: str = "") -> Message:
    return Message(read_npz(body, limit_bytes), {})


NPZ = Codec(
    "application/x-npz",
    "A NumPy `.npz` archive. A request: x1 and x2 (or parts such as `x1.position`), options in the query. "
    "An answer: one array, `matrix`.",
    _read,
    framed=npz_frame,
)
