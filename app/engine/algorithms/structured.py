r"""Gradients in factors, Aᵀ G, contracted over each leaf in the cheapest order.

$K_{iojq} = \sum_\theta \sum_{estcf} A_{iesc}\, G_{ioesf}\, A_{jetc}\, G_{jqetf}$
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from app.engine.algorithms.algorithm import Kernel, evenly
from app.engine.products import by_chunks, mirror
from app.engine.structure.factors import Factor, parted
from app.engine.structure.orders import Arithmetic
from app.engine.structure.programs import Programs, programs
from app.engine.structure.terms import added, factors, terms
from app.engine.view import View


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

    def kernel(self, view: View, chunk: int) -> Kernel:
        """Factors of ``chunk`` outputs of each side at a time."""
        how = Arithmetic(view.dtype, view.precision)

        def kernel(params: Sequence[Array], x1: Sequence[Array], x2: Sequence[Array] | None) -> Array:
            made = programs(view)
            n1, n2 = x1[0].shape[0], (x1 if x2 is None else x2)[0].shape[0]
            if x2 is not None and chunk >= view.k:
                # Both sides on one way: weights are read once, and products have more rows.
                both = _Side(made, how, params, [jnp.concatenate(pair) for pair in zip(x1, x2, strict=True)])
                pairs = [parted(factors, n1) for factors in both.factors(0, view.k)]
                block = both.met([left for left, _ in pairs], [right for _, right in pairs])
            else:
                left = _Side(made, how, params, x1)
                right = left if x2 is None else _Side(made, how, params, x2)
                block = by_chunks(left.factors, right.factors, left.met, view.k, chunk)
            block = jnp.broadcast_to(block, (n1, view.k, n2, view.k)).astype(view.dtype)
            return mirror(block) if x2 is None else block

        return kernel


class _Side:
    """The examples of one side, on their way from operands to factors."""

    def __init__(self, made: Programs, how: Arithmetic, params: Sequence[Array], x: Sequence[Array]) -> None:
        self._made, self._how = made, how
        self._terms = terms(made.uses)
        self._operands, self._residuals = made.forward(params, x)

    def factors(self, start: Array | int, count: int) -> list[list[Factor]]:
        """Factors of each term, for some outputs."""
        cotangents = self._made.backward(self._residuals, start, count)
        return [
            factors(term, self._made, self._operands, cotangents, self._how.precision) for term in self._terms
        ]

    def met(self, left: list[list[Factor]], right: list[list[Factor]]) -> Array:
        """The matrix of some outputs by some: ``[n1, k1, n2, k2]``; an n of 1 stands for all examples."""
        pairs = zip(self._terms, left, right, strict=True)
        nothing = jnp.zeros((1, 1, 1, 1), self._how.dtype)
        return sum((added(term, one, other, self._how) for term, one, other in pairs), nothing)
