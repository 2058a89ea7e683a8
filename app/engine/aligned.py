"""Arrays in host memory that programs on CPUs take as they are; others, if large, are copied first, aside."""

from collections.abc import Sequence
from math import prod

import numpy as np

ALIGNMENT_BYTES = 64  # of the buffers that XLA's CPU client takes over without a copy


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array whose first byte lies at a multiple of ``ALIGNMENT_BYTES``, its entries unset."""
    nbytes = prod(shape) * dtype.itemsize
    room = np.empty(nbytes + ALIGNMENT_BYTES, np.uint8)
    start = -room.__array_interface__["data"][0] % ALIGNMENT_BYTES
    return room[start : start + nbytes].view(dtype).reshape(shape)


def stack(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays of one shape, each with an axis or more, on a new leading axis."""
    first = arrays[0]
    stacked = empty((len(arrays), *first.shape), first.dtype)
    np.concatenate(arrays, out=stacked.reshape(len(arrays) * first.shape[0], *first.shape[1:]))
    return stacked
