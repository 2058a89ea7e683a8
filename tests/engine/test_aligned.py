"""Stacks lie where programs take them as they are, and hold what ``np.stack`` would."""

import ml_dtypes
import numpy as np
import pytest

from app.engine.aligned import ALIGNMENT_BYTES, empty, stack


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ml_dtypes.bfloat16, np.int8, np.bool_])
def test_a_stack_is_numpys(dtype: type) -> None:
    arrays = [np.arange(i, i + 6).reshape(2, 3).astype(dtype) for i in range(5)]
    stacked = stack(arrays)
    assert stacked.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(stacked, np.stack(arrays))


@pytest.mark.parametrize("shape", [(1,), (3, 5), (7, 1, 11)])
def test_an_array_begins_where_it_should(shape: tuple[int, ...]) -> None:
    held = [empty(shape, np.dtype(np.float32)) for _ in range(20)]
    for array in held:
        assert array.shape == shape
        assert array.flags.c_contiguous
        assert array.ctypes.data % ALIGNMENT_BYTES == 0
