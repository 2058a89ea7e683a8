"""The bytes of a ``.npy`` file -> one array of floats, once header and bytes agree. Unpickles nothing."""

import io
from math import prod

import numpy as np
from numpy.lib import format as npy_format

MEDIA_TYPE = "application/x-npy"
DTYPES = ("float16", "float32", "float64")
PREFIX_BYTES = 10  # magic, version, and the length of the header


def read_npy(data: bytes) -> np.ndarray:
    """The array of a file, version 1.0, as the service writes it.

    Returns:
        ``[*shape]``: native byte order, writable.

    Raises:
        ValueError: for any other file, and for one that is cut short.
    """
    start = PREFIX_BYTES + int.from_bytes(data[8:PREFIX_BYTES], "little")
    file = io.BytesIO(data[:start])
    if npy_format.read_magic(file) != (1, 0):
        raise ValueError("its version is not 1.0")
    try:
        shape, fortran, dtype = npy_format.read_array_header_1_0(file)
    except Exception as error:  # a parser of Python stands behind it, which raises anything
        raise ValueError(f"its header cannot be read: {error}") from None
    if dtype.name not in DTYPES:
        raise ValueError(f"its dtype is {dtype}, expected one of {', '.join(DTYPES)}")
    if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != len(data) - start:
        raise ValueError(f"{len(data) - start} bytes of data do not make {shape} of {dtype}")
    array = np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="))
