"""The mirror is exact, and its program stays small at any size."""

import jax
import numpy as np
import pytest

from app.engine.products import mirror


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (6, 64), (16, 64), (2, 1000)])
def test_a_mirrored_block_is_its_upper_triangle_twice(shape):
    """Compilers have taken minutes for 1,024 rows, and made programs of 384 that overran their stack."""
    block = np.random.default_rng(1).normal(size=(*shape, *shape)).astype(np.float32)
    square = block.reshape(np.prod(shape), -1)
    found = jax.jit(mirror)(block).reshape(square.shape)
    assert np.array_equal(found, np.triu(square) + np.triu(square, 1).T)
