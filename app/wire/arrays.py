"""What a header claims of an array (dtype, shape) -> the array, once the claim fits the bytes that are there.

Every size is a Python integer and is checked before anything is allocated. Knows no format.
"""

from math import prod
from typing import NamedTuple

import ml_dtypes
import numpy as np

from app.errors import DecodeError
from app.specs import DTYPES
from app.wire.names import shown

MAX_DIMENSIONS = 32
BYTE = np.dtype("uint8")
MAX_COUNT = 1 << 60  # with an itemsize of 8 this is what NumPy can index

LITTLE = {
    name: np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name).newbyteorder("<")
    for name in DTYPES
}


class Claim(NamedTuple):
    """A dtype of a whitelist and a shape that was checked."""

    dtype: np.dtype
    shape: tuple[int, ...]
    size: int  # entries
    nbytes: int
    fortran: bool  # the first axis varies fastest
    plain: bool  # bytes of this size are the array as they lie


def named(name: object, where: str) -> np.dtype:
    """The little-endian dtype of a name.

    Raises:
        DecodeError: for anything but a name of ``DTYPES``.
    """
    if not isinstance(name, str) or name not in LITTLE:
        raise DecodeError(f"{where}: dtype {shown(name)} is not known; expected one of {', '.join(DTYPES)}")
    return LITTLE[name]


def claimed(dtype: np.dtype, shape: object, where: str, fortran: bool = False) -> Claim:
    """Check a shape.

    Args:
        dtype: of a whitelist, in either byte order.
        shape: whatever the header says.
        where: the array's name, for errors.
        fortran: whether the first axis varies fastest.

    Raises:
        DecodeError: unless it is a list or tuple of few true integers that are not negative.
    """
    if not isinstance(shape, (list, tuple)):
        raise DecodeError(f"{where}: shape {shown(shape)} is not a list of dimensions, such as [2, 3]")
    if len(shape) > MAX_DIMENSIONS:
        raise DecodeError(f"{where}: shape has {len(shape)} dimensions; at most {MAX_DIMENSIONS} are read")
    for size in shape:
        if type(size) is not int or size < 0:
            raise DecodeError(f"{where}: dimension {shown(size)} is not an integer of at least 0")
    count = prod(shape)
    # A zero beside a huge dimension has no bytes, and still cannot be indexed.
    if (count or prod(filter(None, shape))) > MAX_COUNT:
        raise DecodeError(f"{where}: shape {shown(list(shape))} is larger than any array")
    plain = count > 0 and dtype.isnative and dtype.kind != "b" and not fortran
    return Claim(dtype, tuple(shape), count, count * dtype.itemsize, fortran, plain)


def taken(claim: Claim, data: bytes | memoryview, start: int, where: str) -> np.ndarray:
    """The array that lies in ``data`` from ``start`` on, in native byte order.

    Args:
        claim: one that was held against the number of bytes there.
        data: holds the array.
        start: of its first byte.
        where: the array's name, for errors.

    Returns:
        ``[*shape]``: a read-only view where the bytes can be used as they lie, else a copy.

    Raises:
        DecodeError: for a boolean other than 0 and 1.
    """
    dtype, shape, size, _, fortran, plain = claim
    if plain:
        array = np.ndarray(shape, dtype, data, start)
        return array if array.flags.aligned else array.copy()
    if not size:
        return np.empty(shape, dtype.newbyteorder("="))
    if dtype.kind == "b" and np.frombuffer(data, BYTE, size, start).max() > 1:
        raise DecodeError(f"{where}: a boolean is neither 0 nor 1; send bytes of 0 and 1")
    array = np.ndarray(shape, dtype, data, start, order="F" if fortran else "C")
    return array if dtype.isnative and array.flags.aligned else array.astype(dtype.newbyteorder("="))


def misfit(claim: Claim, there_bytes: int, where: str) -> DecodeError:
    """The error for a claim of more or fewer bytes than are there."""
    kind = "shorter" if there_bytes < claim.nbytes else "longer"
    return DecodeError(
        f"{where}: {there_bytes} bytes of data are {kind} than the {claim.nbytes} bytes of shape "
        f"{shown(list(claim.shape))}, {claim.dtype.name}; send the array whole, and nothing after it"
    )


def raw(array: np.ndarray) -> memoryview:
    """The bytes of an array in C order and little-endian, without a copy where they lie so."""
    if not (array.flags.c_contiguous and array.dtype.isnative and np.little_endian):
        array = np.asarray(array, LITTLE[array.dtype.name], order="C")
    return np.ndarray(array.nbytes, BYTE, array).data
