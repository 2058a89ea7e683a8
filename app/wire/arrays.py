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
MAX_COUNT = 1 << 60  # with an itemsize of 8 this is what NumPy can index

LITTLE = {
    name: np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name).newbyteorder("<")
    for name in DTYPES
}


class Claim(NamedTuple):
    """A dtype of a whitelist, a shape that was checked, and whether the first axis varies fastest."""

    dtype: np.dtype
    shape: tuple[int, ...]
    size: int  # entries
    nbytes: int
    fortran: bool = False


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
    return Claim(dtype, tuple(shape), count, count * dtype.itemsize, fortran)


def taken(claim: Claim, data: bytes | memoryview, start: int, stop: int, where: str) -> np.ndarray:
    """The array that lies in ``data`` from ``start`` to ``stop``, in native byte order.

    Returns:
        ``[*shape]``: a read-only view where the bytes can be used as they lie, else a copy.

    Raises:
        DecodeError: unless claim and bytes agree to the byte.
    """
    check_span(claim, stop - start, where)
    dtype = claim.dtype
    if not claim.size:
        return np.empty(claim.shape, dtype.newbyteorder("="))
    if dtype.kind == "b" and np.frombuffer(data, np.uint8, claim.size, start).max() > 1:
        raise DecodeError(f"{where}: a boolean is neither 0 nor 1; send bytes of 0 and 1")
    array = np.frombuffer(data, dtype, claim.size, start)
    array = array.reshape(claim.shape, order="F") if claim.fortran else array.reshape(claim.shape)
    return array if dtype.isnative and array.flags.aligned else array.astype(dtype.newbyteorder("="))


def check_span(claim: Claim, there_bytes: int, where: str) -> None:
    """Hold a claim against the number of bytes that are there.

    Raises:
        DecodeError: unless they agree.
    """
    if claim.nbytes != there_bytes:
        kind = "shorter" if there_bytes < claim.nbytes else "longer"
        raise DecodeError(
            f"{where}: {there_bytes} bytes of data are {kind} than the {claim.nbytes} bytes of shape "
            f"{shown(list(claim.shape))}, {claim.dtype.name}; send the array whole, and nothing after it"
        )


def raw(array: np.ndarray) -> memoryview:
    """The bytes of an array in C order and little-endian, without a copy where they lie so."""
    if not (array.flags.c_contiguous and array.dtype.isnative and np.little_endian):
        array = np.asarray(array, LITTLE[array.dtype.name], order="C")
    return array.reshape(-1).view(np.uint8).data
