"""What one side brings to the product of a leaf's gradients; the gradients themselves, where wanted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import jax
import jax.numpy as jnp
from jax import Array, lax

from app.engine.products import apart
from app.engine.structure.windows import Windows

POSITIONS = 64  # from which on products that take them as they lie in memory gain


@dataclass(frozen=True, eq=False)
class Factor:
    """Gradients of a leaf in two factors: ``Aᵀ G``.

    Args:
        a: ``[n, E, S, C]``, ``[n, S]`` rows of a table (-1 for none), or None for ones with S = C = 1.
        g: ``[n, k, E, S, F]``. An n of 1 stands for all examples.
        metric: ``[E, S, S]`` A Aᵀ, where it is the same for all examples and known.
        windows: how S and C of ``a`` lie in images, where they are patches.
        riders: biases that are as many columns of ones beside ``a``.
        behind: whether E lies behind S in memory.
    """

    a: Array | None
    g: Array
    metric: Array | None = None
    windows: Windows | None = None
    riders: int = 0
    behind: bool = False

    @classmethod
    def of(
        cls,
        a: Array | None,
        g: Array,
        a_varies: bool,
        g_varies: bool,
        metric: Array | None = None,
        windows: Windows | None = None,
        riders: int = 0,
        behind: bool = False,
    ) -> "Factor":
        """A factor of arrays that have no axis of examples where they do not vary."""
        a, g = a if a is None or a_varies else a[None], g if g_varies else g[None]
        return cls(a, g, metric, windows, riders, behind)

    @property
    def n(self) -> int:
        """Number of examples, or 1."""
        return self.g.shape[0] if self.a is None else max(self.a.shape[0], self.g.shape[0])

    def cut(self, start: int, stop: int | None) -> "Factor":
        """Some of the examples."""

        def part(array: Array) -> Array:
            return array if array.shape[0] == 1 else array[start:stop]

        return replace(self, a=self.a if self.a is None else part(self.a), g=part(self.g))

    def cast(self, dtype: str) -> "Factor":
        """The same in another dtype."""
        a = self.a if self.a is None or self.looks_up else self.a.astype(dtype)
        return replace(self, a=a, g=self.g.astype(dtype))

    @property
    def shared(self) -> bool:
        """Whether ``a`` is the same for all examples."""
        return self.a is not None and self.a.shape[0] == 1

    @property
    def looks_up(self) -> bool:
        """Whether ``a`` holds rows of a table."""
        return self.a is not None and self.a.ndim == 2

    def spread(self, n: int) -> "Factor":
        """The same with all ``n`` examples written out."""
        a = self.a if self.a is None else jnp.broadcast_to(self.a, (n, *self.a.shape[1:]))
        return replace(self, a=a, g=jnp.broadcast_to(self.g, (n, *self.g.shape[1:])), metric=None)


def parted(factors: Sequence[Factor], n: int) -> tuple[list[Factor], list[Factor]]:
    """Factors of the first ``n`` examples, and of the rest; what stands for all examples goes to both."""
    return [factor.cut(0, n) for factor in factors], [factor.cut(n, None) for factor in factors]


def gradients(factor: Factor, precision: str, rows: int = 0) -> Array:
    """The gradients: ``[n, k, E, F, C]``; of a table of ``rows`` rows ``[n, k, 1, F, rows]``.

    Those of riders are one more column, of which each product counts as many times as there are riders.
    """
    if factor.a is None:
        return factor.g.swapaxes(3, 4)
    if factor.looks_up:
        return _added_up(factor.spread(factor.n), rows)
    if factor.behind and factor.g.shape[-1] == 1 and factor.g.shape[3] >= POSITIONS:
        return _summed(factor.spread(factor.n), precision)
    a = factor.a
    if factor.riders:
        ones = jnp.full((*a.shape[:-1], 1), sqrt(factor.riders), a.dtype)
        a = jnp.concatenate([a, ones], -1)
    if factor.g.shape[3] == 1:
        return factor.g.swapaxes(3, 4) * a[:, None]
    spread = Factor(a, factor.g).spread(factor.n)
    if factor.g.shape[2] == 1 and factor.g.shape[3] >= POSITIONS:
        return _multiplied(spread, precision)
    # Cotangents first, and C last: nothing has to be transposed before rows of gradients are multiplied.
    assert spread.a is not None
    numbers = (((3,), (2,)), ((0, 2), (0, 1)))
    product = lax.dot_general(spread.g, spread.a, numbers, precision=lax.Precision(precision))
    return jnp.moveaxis(product, 1, 2)


def _summed(factor: Factor, precision: str) -> Array:
    """Gradients with F = 1 as sums over positions, of rows of features as they lie in memory.

    The sums are products with ones: XLA would make the cotangents anew for each reduction. Examples and
    outputs are one axis: with two it transposes.
    """
    n, k, e, s, _ = factor.g.shape
    g = factor.g.reshape(n, k, e, s).swapaxes(2, 3)
    ones = jnp.ones((n * k, 1, s), g.dtype)

    def total(rows: Array) -> Array:
        numbers = (((2,), (1,)), ((0,), (0,)))
        rows = rows.reshape(n * k, s, e)
        return lax.dot_general(ones, rows, numbers, precision=lax.Precision(precision)).reshape(n, k, e)

    assert factor.a is not None
    columns = [total(g * each[:, None]) for each in factor.a.transpose(3, 0, 2, 1)]
    if factor.riders:
        columns.append(total(g) * sqrt(factor.riders))
    return jnp.stack(columns, -1).reshape(n, k, e, 1, -1)


def _multiplied(factor: Factor, precision: str) -> Array:
    """Gradients with E = 1 by a product of rows of all outputs, one position after the other."""
    n, k, _, s, f = factor.g.shape

    def product(g: Array, a: Array) -> Array:
        numbers = (((1,), (1,)), ((0,), (0,)))
        return lax.dot_general(g.reshape(n, s, k * f), a, numbers, precision=lax.Precision(precision))

    assert factor.a is not None
    return apart(product, factor.g[:, :, 0].swapaxes(1, 2), factor.a[:, 0]).reshape(n, k, 1, f, -1)


def _added_up(factor: Factor, rows: int) -> Array:
    assert factor.a is not None
    places = jnp.where(factor.a < 0, rows, factor.a)

    def example(place: Array, g: Array) -> Array:
        k, _, _, f = g.shape
        return jnp.zeros((k, 1, f, rows), g.dtype).at[..., place].add(g.swapaxes(2, 3), mode="drop")

    return jax.vmap(example)(places, factor.g)
