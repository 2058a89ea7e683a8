"""Products of Jacobian rows, and the mirror that makes K(x, x) symmetric to the last bit."""

from collections.abc import Callable
from math import prod
from typing import TypeVar

import jax.numpy as jnp
from jax import Array, lax

from app.engine.view import Arrays

Rows = TypeVar("Rows")

# Rows of one strip of a symmetric product: wide enough for a matrix product to run at its peak.
_STRIP = 256


def contract(rows1: Arrays, rows2: Arrays, dtype: str, precision: str) -> Array:
    """Contract rows of two Jacobians over the variable: Σ over leaves of J1 J2ᵀ.

    Args:
        rows1: leaves ``[n1, k1, *leaf]``.
        rows2: leaves ``[n2, k2, *leaf]``.
        dtype: of the products and their sum.
        precision: of the products.

    Returns:
        ``[n1, k1, n2, k2]``.
    """
    heads = (*rows1[0].shape[:2], *rows2[0].shape[:2])
    total = sum(
        _product(_flat(leaf1), _flat(leaf2), dtype, precision)
        for leaf1, leaf2 in zip(rows1, rows2, strict=True)
    )
    return jnp.asarray(total).reshape(heads)


def contract_symmetric(rows: Arrays, dtype: str, precision: str) -> Array:
    """``contract(rows, rows)``, exactly symmetric, with the strips below the diagonal mirrored, not computed.

    Args:
        rows: leaves ``[n, k, *leaf]``.

    Returns:
        ``[n, k, n, k]``.
    """
    n, k = rows[0].shape[:2]
    flat, m = [_flat(leaf) for leaf in rows], n * k
    strips = []
    for start in range(0, m, _STRIP):
        stop = min(start + _STRIP, m)
        strip = sum(_product(leaf[start:stop], leaf[start:], dtype, precision) for leaf in flat)
        strips.append(jnp.pad(jnp.asarray(strip), ((0, 0), (start, 0))))
    return mirror(jnp.concatenate(strips).reshape(n, k, n, k))


def by_chunks(
    left: Callable[[Array | int, int], Rows],
    right: Callable[[Array | int, int], Rows],
    meet: Callable[[Rows, Rows], Array],
    k: int,
    chunk: int,
) -> Array:
    """A block from what each side has of some outputs at a time, so that not all of it is held at once.

    Args:
        left: ``(start, count) -> rows`` of x1.
        right: the same of x2; called again for each chunk of x1.
        meet: rows of both -> ``[n1, count, n2, count]``.
        k: number of outputs.
        chunk: how many at a time.

    Returns:
        ``[n1, k, n2, k]``.
    """
    if chunk >= k:
        rows = left(0, k)
        return meet(rows, rows if right == left else right(0, k))
    starts = jnp.arange(0, k, chunk)

    def outer(start: Array) -> Array:
        rows = left(start, chunk)
        return lax.map(lambda other: meet(rows, right(other, chunk)), starts)

    chunks = lax.map(outer, starts)
    count1, count2, n1, c, n2, _ = chunks.shape
    return chunks.transpose(2, 0, 3, 4, 1, 5).reshape(n1, count1 * c, n2, count2 * c)[:, :k, :, :k]


def mirror(block: Array) -> Array:
    """The upper triangle of ``[n, k, n, k]``, mirrored: symmetric to the last bit."""
    m = prod(block.shape[:2])
    # A compiler that knows the numbers unfolds the choice into code: endlessly, or past its threads' stacks.
    row, column = lax.optimization_barrier((jnp.arange(m), jnp.arange(m)))
    square = block.reshape(m, m)
    return jnp.where(row[:, None] <= column[None, :], square, square.T).reshape(block.shape)


def apart(product: Callable[..., Array], *operands: Array) -> Array:
    """``product(*operands)``, of operands that are arrays in memory first, on CPUs.

    XLA's CPU compiler makes an operand in one loop with all that is elementwise before it, once more for each
    reader, and as the product takes it: where several axes are one there, it finds no vectors in that loop,
    which takes several times as long. Nothing is fused into a branch. Both branches are the same; that one of
    the operands' entries is a number, the compiler cannot know.
    """
    entry = operands[0][(0,) * operands[0].ndim]

    def branches(*arrays: Array) -> Array:
        return lax.cond(entry == entry, product, product, *arrays)

    return lax.platform_dependent(*operands, cpu=branches, default=product)


def _flat(rows: Array) -> Array:
    """``[n, k, *leaf]`` as ``[n k, size]``."""
    return rows.reshape(prod(rows.shape[:2]), prod(rows.shape[2:]))


def _product(left: Array, right: Array, dtype: str, precision: str) -> Array:
    return lax.dot_general(
        left,
        right,
        (((1,), (1,)), ((), ())),
        precision=lax.Precision(precision),
        preferred_element_type=jnp.dtype(dtype),
    )
