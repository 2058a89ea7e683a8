r"""Two factors → their product, in the cheapest order.

$K_{iojq} = \sum_{estcf} A_1[iesc]\,G_1[ioesf]\,A_2[jetc]\,G_2[jqetf]$

    gradients   form both gradients, then one product         n k S C F + n² k² C F
    grams       A₁ A₂ᵀ times G₁ G₂ᵀ, entry by entry           n² S² C + n² k² S² F
    inside      A₁ A₂ᵀ, push G₁ through it, then meet G₂      n² S² C + n² k S² F + n² k² S F
    windows     the same, with A₁ A₂ᵀ of patches by pixels    n² S² C / window + n² k S² F + n² k² S F

Flops alone choose wrongly: what an order writes and reads again counts as well.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from app.engine.products import apart, contract
from app.engine.structure.factors import POSITIONS, Factor, gradients
from app.engine.structure.windows import Windows

# What one byte moved costs, in flops: fitted to orders timed on a CPU, and near a GPU's ratio of rates.
_FLOPS_OF_BYTE = 24
# Flops from which on it pays to leave out what is below the diagonal: there is more to compile, and to call.
_HALVED = 1e8


@dataclass(frozen=True)
class Arithmetic:
    """How products are made.

    Args:
        dtype: of the matrix, and of sums.
        precision: of products.
    """

    dtype: str
    precision: str

    def dot(self, left: Array, right: Array, contract: tuple[int, int], batch: tuple[int, ...] = ()) -> Array:
        """A product over one axis each, with equal leading batch axes."""
        numbers = (((contract[0],), (contract[1],)), (batch, batch))
        return lax.dot_general(
            left,
            right,
            numbers,
            precision=lax.Precision(self.precision),
            preferred_element_type=jnp.dtype(self.dtype),
        )


class _Part(NamedTuple):
    """One group of E: g ``[n, k, S, F]``; a ``[n, S, C]``, ``[n, S]`` rows of a table, or pixels."""

    a: Array
    g: Array


def product(one: Factor, other: Factor, how: Arithmetic) -> Array:
    """Factors of the same uses multiplied: ``[n1, k1, n2, k2]``; an n of 1 stands for all examples.

    Of a factor by itself, what is below the diagonal may be zeros.
    """
    name, cost = _cheapest(one, other)
    left = one.cast(how.dtype)
    halved = one.n > 1 and not one.shared and cost >= _HALVED
    by_itself = one is other and (halved or name == "gradients")
    return ORDERS[name](left, left if by_itself else other.cast(how.dtype), how)


def order(one: Factor, other: Factor) -> str:
    """Name of the cheapest order."""
    return _cheapest(one, other)[0]


def _cheapest(one: Factor, other: Factor) -> tuple[str, float]:
    """Name of the cheapest order, and what it costs, in flops."""
    if one.a is None:
        return "gradients", 0.0
    sizes = _Sizes.of(one, other)
    possible = _COSTS.keys() - ({"gradients"} if one.looks_up else set())
    if one.windows is None or one.windows != other.windows or sizes.shared:
        possible -= {"windows"}
    return min(((name, _COSTS[name](sizes)) for name in sorted(possible)), key=lambda each: each[1])


@dataclass(frozen=True)
class _Sizes:
    n1: int
    n2: int
    k1: int
    k2: int
    e: int
    s: int
    c: int
    f: int
    shared: bool  # A is the same for all examples
    known: bool  # and so is A Aᵀ
    windows: Windows | None

    @classmethod
    def of(cls, one: Factor, other: Factor) -> "_Sizes":
        n1, k1, e, s, f = one.g.shape
        n2, k2 = other.g.shape[:2]
        assert one.a is not None
        c = 1 if one.looks_up else one.a.shape[-1] + bool(one.riders)
        n1, n2 = max(n1, one.n), max(n2, other.n)
        return cls(n1, n2, k1, k2, e, s, c, f, one.shared, one.metric is not None, one.windows)


def _cost_gradients(z: _Sizes) -> float:
    size = z.e * z.c * z.f
    rows = z.n1 * z.k1 + z.n2 * z.k2
    flops = 2.0 * rows * z.s * size + 2.0 * z.n1 * z.k1 * z.n2 * z.k2 * size
    return flops + _FLOPS_OF_BYTE * 8.0 * rows * size


def _operands(z: _Sizes) -> float:
    if z.known:
        return 0.0
    pairs = 1 if z.shared else z.n1 * z.n2
    entries = pairs * z.e * z.s * z.s
    return 2.0 * entries * z.c + _FLOPS_OF_BYTE * 8.0 * entries


def _cost_grams(z: _Sizes) -> float:
    entries = float(z.n1 * z.k1 * z.n2 * z.k2) * z.e * z.s * z.s
    return _operands(z) + 2.0 * entries * z.f + _FLOPS_OF_BYTE * 8.0 * entries


def _cost_inside(z: _Sizes) -> float:
    return _operands(z) + _cost_pushing(z)


def _cost_windows(z: _Sizes) -> float:
    assert z.windows is not None
    images = z.n1 * z.n2 * z.e * (z.s // z.windows.positions) ** 2
    pixels, *sums = z.windows.entries()
    channels = z.c // prod(z.windows.size)
    flops = 2.0 * images * pixels * channels
    return flops + _FLOPS_OF_BYTE * 8.0 * images * (pixels + sum(sums)) + _cost_pushing(z)


def _cost_pushing(z: _Sizes) -> float:
    pairs = z.n2 if z.shared else z.n1 * z.n2
    pushed = float(pairs * z.k2) * z.e * z.s * z.f
    met = float(z.n1 * z.k1 * z.n2 * z.k2) * z.e * z.s * z.f
    return 2.0 * pushed * z.s + _FLOPS_OF_BYTE * 8.0 * pushed + 2.0 * met


def _by_gradients(one: Factor, other: Factor, how: Arithmetic) -> Array:
    left = gradients(one, how.precision)
    right = left if one is other else gradients(other, how.precision)
    return contract([left], [right], how.dtype, how.precision)


def _by_grams(one: Factor, other: Factor, how: Arithmetic) -> Array:
    if one is other:
        half = one.n // 2
        first, second = one.cut(0, half), one.cut(half, None)
        whole = _by_grams(first, replace(first), how)  # an object of its own is not halved again
        return _upper(whole, _by_grams(one, second, how))
    met = _operands_met(one, other, how)  # [E, n1, S, n2, S]
    left, right = (_rows_by_e(factor.g) for factor in (one, other))
    n1, k1, e, s, _ = one.g.shape
    n2, k2 = other.g.shape[:2]
    cotangents = how.dot(left, right, (2, 2), (0,)).reshape(e, n1, k1, s, n2, k2, s)
    if e == s == 1:
        return met[0, :, 0, :, 0][:, None, :, None] * cotangents[0, :, :, 0, :, :, 0]
    return (met[:, :, None, :, :, None, :] * cotangents).sum((0, 3, 6))


def _rows_by_e(array: Array) -> Array:
    """``[*rows, E, S, rest]`` as ``[E, rows S, rest]``."""
    e, s, rest = array.shape[-3:]
    return jnp.moveaxis(array.reshape(-1, e, s, rest), 1, 0).reshape(e, -1, rest)


def _operands_met(one: Factor, other: Factor, how: Arithmetic) -> Array:
    """A₁ A₂ᵀ, with what riders add to it: ``[E, n1, S, n2, S]``."""
    if one.metric is not None:
        return _ridden(one.metric[:, None, :, None, :], one.riders)
    assert one.a is not None
    assert other.a is not None
    if one.looks_up:
        same = one.a[:, :, None, None] == other.a[None, None]
        return (same & (one.a >= 0)[:, :, None, None])[None].astype(how.dtype)
    n1, e, s, _ = one.a.shape
    n2 = other.a.shape[0]
    met = how.dot(_rows_by_e(one.a), _rows_by_e(other.a), (2, 2), (0,)).reshape(e, n1, s, n2, s)
    return _ridden(met, one.riders)


def _ridden(met: Array, riders: int) -> Array:
    """A₁ A₂ᵀ where so many columns of ones stand beside both operands."""
    return met + riders if riders else met


def _by_windows(one: Factor, other: Factor, how: Arithmetic) -> Array:
    return _by_pushing(one, other, how, one.windows)


def _by_pushing(one: Factor, other: Factor, how: Arithmetic, windows: Windows | None = None) -> Array:
    assert one.a is not None
    assert other.a is not None
    if one.a.shape[0] == other.a.shape[0] == 1:
        # One product for all examples: a metric between cotangents, the other side's positions first, which
        # is how a product takes it without transposing it.
        metric = _operands_met(other, one, how)[:, 0, :, 0]
        pushed = jnp.einsum("ets,jqetf->jqesf", metric, other.g, precision=how.precision)
        return contract([one.g], [pushed], how.dtype, how.precision)
    sides = [_parts(one, windows)] if one is other else [_parts(one, windows), _parts(other, windows)]

    def group(parts: Sequence[_Part]) -> Array:
        return _pushed(parts[0], parts[-1], how, one.riders, windows)

    if sides[0].g.shape[0] == 1:
        return group([_Part(side.a[0], side.g[0]) for side in sides])
    nothing = jnp.zeros((*sides[0].g.shape[1:3], *sides[-1].g.shape[1:3]), how.dtype)
    return lax.scan(lambda total, parts: (total + group(parts), None), nothing, sides)[0]


def _parts(factor: Factor, windows: Windows | None) -> _Part:
    """The factor by groups of E, examples written out; pixels instead of patches where windows are given."""
    whole = factor.spread(factor.n)
    assert whole.a is not None
    a = whole.a[None] if whole.looks_up else jnp.moveaxis(whole.a, 1, 0)
    return _Part(a if windows is None else windows.pixels(a), jnp.moveaxis(whole.g, 2, 0))


def _pushed(one: _Part, other: _Part, how: Arithmetic, riders: int, windows: Windows | None) -> Array:
    """One group: positions last, so that both products take what they read as it lies in memory.

    The loop over examples of x2 keeps what was pushed in the cache, and meets it with rows of all x1.
    """
    n1, k1, s, f = one.g.shape
    n2, k2 = other.g.shape[:2]
    left = _positions_last(one.g)
    right = left if one is other else _positions_last(other.g)

    def columns(rows: int, start: int, stop: int) -> Array:
        pushing = left[:rows].reshape(rows, k1 * f, s)

        def column(part: _Part) -> Array:
            met = _ridden(_met(one.a[:rows], part.a, how, windows), riders).reshape(rows, s, s)
            pushed = how.dot(pushing, met, (2, 1), (0,)).reshape(rows * k1, f * s)
            return how.dot(pushed, part.g, (1, 1))  # [rows k1, k2]

        meeting = _Part(other.a[start:stop], right[start:stop].reshape(stop - start, k2, f * s))
        return lax.map(column, meeting).reshape(stop - start, rows, k1, k2).transpose(1, 2, 0, 3)

    if one is other:
        half = n1 // 2
        return _upper(columns(half, 0, half), columns(n1, half, n1))
    return columns(n1, 0, n2)


def _upper(first: Array, second: Array) -> Array:
    """Of a factor by itself columns of the first half, without the rows of the second, and of the second."""
    below = second.shape[0] - first.shape[0]
    return jnp.concatenate([jnp.pad(first, ((0, below), (0, 0), (0, 0), (0, 0))), second], 2)


def _positions_last(g: Array) -> Array:
    """``[n, k, S, F]`` as ``[n, k, F, S]``; few positions from memory, many while they are made."""

    def turned(array: Array) -> Array:
        return array.swapaxes(2, 3)

    return turned(g) if g.shape[2] >= POSITIONS else apart(turned, g)


def _met(many: Array, one: Array, how: Arithmetic, windows: Windows | None) -> Array:
    """``[n, S, C]`` and ``[S, C]``, rows of a table, or pixels of images -> ``[n S, S]``."""
    if one.ndim == 1:
        rows = many.reshape(-1, 1)
        return ((rows == one) & (rows >= 0)).astype(how.dtype)
    product = how.dot(many.reshape(-1, many.shape[-1]), one.reshape(-1, one.shape[-1]), (1, 1))
    if windows is None:
        return product
    return windows.summed(product.reshape(-1, *windows.space, one.shape[0], *windows.space))


ORDERS: Mapping[str, Callable[[Factor, Factor, Arithmetic], Array]] = {
    "gradients": _by_gradients,
    "grams": _by_grams,
    "inside": _by_pushing,
    "windows": _by_windows,
}
_COSTS: Mapping[str, Callable[[_Sizes], float]] = {
    "gradients": _cost_gradients,
    "grams": _cost_grams,
    "inside": _cost_inside,
    "windows": _cost_windows,
}
