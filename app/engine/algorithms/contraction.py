r"""Rows of both Jacobians by reverse mode, contracted over the variable.

$K_{iajb} = \sum_q \partial_q f_a(x1_i)\, \partial_q f_b(x2_j)$
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
from jax import Array

from app.engine.algorithms.algorithm import Kernel, Unstructured, evenly
from app.engine.products import by_chunks, contract, contract_symmetric, mirror
from app.engine.view import Arrays, View


@dataclass(frozen=True)
class Contraction(Unstructured):
    """Best for few outputs, and for many examples against few.

    Cost:
        time (n1 + n2) k vjp + 2 n1 n2 k² p flops while all rows fit; with chunks of c outputs the rows of
        x2 are made k / c times. Memory (n1 + n2) c p itemsize bytes.

    Source:
        Novak, Sohl-Dickstein, Schoenholz 2022, arXiv:2206.08720, section 3.1. Differs in: chunked over the
        outputs on both sides, so that memory is bounded.
    """

    name: str = "contraction"

    def chunk(self, view: View, rows: int, columns: int, memory_bytes: int) -> int:
        """Outputs whose rows are held at a time on each side."""
        return evenly(memory_bytes / 4 / ((rows + columns) * view.p * view.itemsize), view.k)

    def kernel(self, view: View, chunk: int) -> Kernel:
        """Reverse mode for ``chunk`` outputs of each side at a time."""

        def whole(params: Sequence[Array], x1: Sequence[Array], x2: Sequence[Array] | None) -> Array:
            rows1 = _rows(view, params, x1, 0, view.k)
            if x2 is None:
                return contract_symmetric(rows1, view.dtype, view.precision)
            return contract(rows1, _rows(view, params, x2, 0, view.k), view.dtype, view.precision)

        def chunked(params: Sequence[Array], x1: Sequence[Array], x2: Sequence[Array] | None) -> Array:
            def rows(x: Sequence[Array]) -> Callable[[Array | int, int], Arrays]:
                return lambda start, count: _rows(view, params, x, start, count)

            def meet(rows1: Arrays, rows2: Arrays) -> Array:
                return contract(rows1, rows2, view.dtype, view.precision)

            block = by_chunks(rows(x1), rows(x1 if x2 is None else x2), meet, view.k, chunk)
            return mirror(block) if x2 is None else block

        return whole if chunk >= view.k else chunked


def _rows(view: View, params: Sequence[Array], x: Sequence[Array], start: Array | int, count: int) -> Arrays:
    """Rows of J of some outputs of each example: leaves ``[n, count, *leaf]``."""

    def example(variable: Arrays, constant: Arrays) -> Arrays:
        _, pullback = jax.vjp(lambda leaves: view.apply(leaves, constant), variable)
        # Closed over, not batched: under vmap over examples the unit cotangents stay one array.
        return jax.vmap(lambda cotangent: pullback(cotangent)[0])(view.unit_cotangents(start, count))

    return jax.vmap(example, in_axes=view.axes)(*view.split(params, x))
