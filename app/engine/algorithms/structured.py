r"""Gradients in factors, Aᵀ G, contracted over each leaf in the cheapest order.

$K_{iojq} = \sum_\theta \sum_{estcf} A_{iesc}\, G_{ioesf}\, A_{jetc}\, G_{jqetf}$
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from app.engine.algorithms.algorithm import Keepsake, Kernel, evenly
from app.engine.products import by_chunks, mirror
from app.engine.simplified import bytes_of
from app.engine.structure.factors import Factor, parted
from app.engine.structure.metrics import kept as metric_uses
from app.engine.structure.metrics import metric_flops, metric_shapes, metrics, push, pushed_through
from app.engine.structure.orders import Arithmetic
from app.engine.structure.programs import Programs, programs
from app.engine.structure.riding import riders
from app.engine.structure.terms import Term, added, factors, fallbacks, terms
from app.engine.view import View

_CACHED = 24 << 20  # bytes of both sides' cotangents up to which they are better made together


@dataclass(frozen=True)
class Structured:
    """Best for networks: a dense layer of width W costs W instead of W² for each entry.

    A gradient in the variable's space is formed only of leaves that enter f where no rule knows how, and
    where it is the cheapest order.

    Cost:
        time (n1 + n2) forward and k backward passes to the taps, and for each leaf the cheapest of the
        orders of ``structure.orders``; memory that of operands and cotangents.

    Source:
        Novak, Sohl-Dickstein, Schoenholz 2022, arXiv:2206.08720, section 3.3. Differs in: taps on values
        instead of rules on cotangents, so that control flow and views need no rule of their own.
    """

    name: str = "structured"

    def chunk(self, view: View, rows: int, columns: int, memory_bytes: int) -> int:
        """Outputs whose cotangents are held at a time on each side."""
        entries = (rows + columns) * max(1, programs(view).tap_size)
        return evenly(memory_bytes / 4 / (entries * view.itemsize), view.k)

    def kept(self, view: View) -> list[Keepsake]:
        """The metrics A Aᵀ that depend on the parameters alone."""
        made = programs(view)
        numbers = metric_uses(made, terms(made.uses))
        return [
            Keepsake(view.names[made.uses[number].leaf], aval.dtype.name, aval.shape, flops)
            for number, aval, flops in zip(
                numbers, metric_shapes(made, numbers), metric_flops(made, numbers), strict=True
            )
        ]

    def keep(self, view: View, params: Sequence[Array]) -> list[Array]:
        """The metrics."""
        made = programs(view)
        return metrics(made, metric_uses(made, terms(made.uses)), params)

    def explicit(self, view: View) -> tuple[str, ...]:
        """Leaves that enter f where no rule knows how, and where."""
        return tuple(f"{view.names[each.leaf]}: {each.reason}" for each in fallbacks(programs(view).uses))

    def kernel(self, view: View, chunk: int) -> Kernel:
        """Factors of ``chunk`` outputs of each side at a time; what is kept comes behind the parameters."""

        def kernel(params: Sequence[Array], x1: Sequence[Array], x2: Sequence[Array] | None) -> Array:
            parts = _Parts.of(view, params)
            n1, n2 = x1[0].shape[0], (x1 if x2 is None else x2)[0].shape[0]
            if x2 is None:
                left = right = parts.side(x1)
            elif chunk >= view.k and _go_together(view, n1 + n2):
                left, right = parts.both(x1, x2)
            else:
                left, right = parts.side(x1), parts.side(x2)
            block = by_chunks(left.factors, right.factors, parts.met, view.k, chunk) + parts.pushed(
                left, right
            )
            block = jnp.broadcast_to(block, (n1, view.k, n2, view.k)).astype(view.dtype)
            return mirror(block) if x2 is None else block

        return kernel


def _go_together(view: View, n: int) -> bool:
    """Whether both sides, ``n`` examples, go one way: weights are read once, and products have more rows.

    Where cotangents are more than caches hold, and more than weights, nothing is gained by that; to part them
    in the end costs then.
    """
    cotangents = n * view.k * programs(view).tap_size * view.itemsize
    weights = sum(map(bytes_of, view.signature.param_avals))
    return cotangents <= max(_CACHED, weights)


@dataclass(frozen=True, eq=False)
class _Side:
    """Residuals of one side's examples, and how to make their factors: ``(start, count) -> factors``."""

    residuals: Sequence[Array]
    factors: Callable[[Array | int, int], list[list[Factor]]]


@dataclass(frozen=True, eq=False)
class _Parts:
    """The terms of a view, and the metrics of those that have one.

    Args:
        made: the programs.
        params: the arrays of the parameters.
        terms: those that are contracted.
        riders: by number of use how many biases ride on it, and are no terms of their own.
        through: numbers of the uses whose metric is pushed through what follows instead.
        metrics: by number of use.
    """

    made: Programs
    params: Sequence[Array]
    terms: Sequence[Term]
    riders: Counter[int]
    through: Sequence[int]
    metrics: Mapping[int, Array]

    @classmethod
    def of(cls, view: View, params: Sequence[Array]) -> "_Parts":
        """Part what is kept from the parameters, and the terms that are pushed from those that are not."""
        made, count = programs(view), len(view.signature.param_avals)
        groups = terms(made.uses)
        numbers = metric_uses(made, groups)
        through = [number for number in numbers if pushed_through(made, made.uses[number])]
        rest = [term for term in groups if term.uses[0] not in through]
        riding = riders(made, rest)
        rest = [term for term in rest if term.uses[0] not in riding]
        known = dict(zip(numbers, params[count:], strict=True))
        return cls(made, params[:count], rest, Counter(riding.values()), through, known)

    def side(self, x: Sequence[Array]) -> _Side:
        """The way of one side's examples."""
        operands, residuals = self.made.forward(self.params, x)
        return _Side(residuals, lambda start, count: self._factors(operands, residuals, start, count))

    def both(self, x1: Sequence[Array], x2: Sequence[Array]) -> tuple[_Side, _Side]:
        """The ways of both sides, made as one and parted at the end."""
        n, whole = x1[0].shape[0], self.side([jnp.concatenate(pair) for pair in zip(x1, x2, strict=True)])
        pairs = [parted(factors, n) for factors in whole.factors(0, self.made.view.k)]
        varies = self.made.residual_varies
        halves = [
            [array[cut] if each else array for array, each in zip(whole.residuals, varies, strict=True)]
            for cut in (slice(None, n), slice(n, None))
        ]
        return (
            _Side(halves[0], lambda *_: [left for left, _ in pairs]),
            _Side(halves[1], lambda *_: [right for _, right in pairs]),
        )

    def met(self, left: list[list[Factor]], right: list[list[Factor]]) -> Array:
        """The contracted terms of some outputs: ``[n1, k1, n2, k2]``; an n of 1 stands for all examples."""
        view = self.made.view
        how = Arithmetic(view.dtype, view.precision)
        total = jnp.zeros((1, 1, 1, 1), view.dtype)
        for term, one, other in zip(self.terms, left, right, strict=True):
            total = total + added(term, one, other, how)
        return total

    def pushed(self, left: _Side, right: _Side) -> Array:
        """The other terms: ``[n1, k, n2, k]``; an n of 1 stands for all examples."""
        total = jnp.zeros((1, 1, 1, 1), self.made.view.dtype)
        for number in self.through:
            use, metric = self.made.uses[number], self.metrics[number]
            total = total + push(self.made, use, metric, left.residuals, right.residuals)
        return total

    def _factors(
        self, operands: list[Array | None], residuals: list[Array], start: Array | int, count: int
    ) -> list[list[Factor]]:
        cotangents = self.made.backward(residuals, start, count)
        return [
            factors(term, self.made, operands, cotangents, self.metrics.get(first), self.riders[first])
            for term, first in [(term, term.uses[0]) for term in self.terms]
        ]
