"""The mirror is exact, and its program stays small at any size; products apart are the products they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from app.engine.products import apart, mirror


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (6, 64), (16, 64), (2, 1000)])
def test_a_mirrored_block_is_its_upper_triangle_twice(shape):
    """Compilers have taken minutes for 1,024 rows, and made programs of 384 that overran their stack."""
    block = np.random.default_rng(1).normal(size=(*shape, *shape)).astype(np.float32)
    square = block.reshape(np.prod(shape), -1)
    found = jax.jit(mirror)(block).reshape(square.shape)
    assert np.array_equal(found, np.triu(square) + np.triu(square, 1).T)


@pytest.mark.parametrize("first", [1.0, np.nan])
def test_a_product_apart_is_the_product(first: float):
    left = jnp.ones((2, 3, 4)).at[0, 0, 0].set(first)
    right = jnp.arange(20.0).reshape(4, 5)
    known = jnp.matmul(left, right)
    assert np.array_equal(jax.jit(lambda *a: apart(jnp.matmul, *a))(left, right), known, equal_nan=True)
    each = jax.jit(jax.vmap(lambda *each: apart(jnp.matmul, *each), in_axes=(0, None)))
    assert np.array_equal(each(left, right), known, equal_nan=True)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="only there")
def test_what_makes_an_operand_is_not_fused_into_a_product_apart():
    """A compiler that saw that both branches are one would take the operand's loop into the product."""

    def run(left: jax.Array, right: jax.Array) -> jax.Array:
        return apart(jnp.matmul, jnp.tanh(left).T, right)

    shapes = [jax.ShapeDtypeStruct((64, size), np.dtype(np.float32)) for size in (32, 48)]
    assert "conditional(" in str(jax.jit(run).lower(*shapes).compile().as_text())
