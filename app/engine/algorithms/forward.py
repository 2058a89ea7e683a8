r"""Columns of both Jacobians by forward mode, summed up as they come.

$K = \sum_C J_1[:, C]\, J_2[:, C]^\top$ over chunks $C$ of the columns
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array, lax

from app.engine.algorithms.algorithm import Kernel, Unstructured, evenly
from app.engine.products import mirror
from app.engine.view import Arrays, View

# Columns of one chunk are of little use past this: products run at their peak, and memory is better kept.
_MOST = 512


@dataclass(frozen=True)
class Forward(Unstructured):
    """Best for a variable smaller than the outputs, and the only way through a ``while_loop``.

    Cost:
        time (n1 + n2) p jvp + 2 n1 n2 k² p flops; memory (n1 + n2) c (k + what one jvp holds) for c columns.
    """

    name: str = "forward"

    def chunk(self, view: View, rows: int, columns: int, memory_bytes: int) -> int:
        """Columns that are pushed at a time."""
        bytes_of_column = (rows + columns) * (view.k + view.p) * view.itemsize
        return evenly(memory_bytes / 8 / bytes_of_column, min(view.p, _MOST))

    def kernel(self, view: View, chunk: int) -> Kernel:
        """Forward mode for ``chunk`` columns at a time."""

        def kernel(params: Sequence[Array], x1: Sequence[Array], x2: Sequence[Array] | None) -> Array:
            def add(total: Array, start: Array) -> tuple[Array, None]:
                columns1 = _columns(view, params, x1, start, chunk)
                columns2 = columns1 if x2 is None else _columns(view, params, x2, start, chunk)
                product = jnp.einsum(
                    "ica,jcb->iajb",
                    columns1,
                    columns2,
                    precision=view.precision,
                    preferred_element_type=jnp.dtype(view.dtype),
                )
                return total + product, None

            n1, n2 = x1[0].shape[0], (x1 if x2 is None else x2)[0].shape[0]
            nothing = jnp.zeros((n1, view.k, n2, view.k), view.dtype)
            if chunk >= view.p:
                block, _ = add(nothing, jnp.asarray(0))
            else:
                block, _ = lax.scan(add, nothing, jnp.arange(0, view.p, chunk))
            return mirror(block) if x2 is None else block

        return kernel


def _columns(view: View, params: Sequence[Array], x: Sequence[Array], start: Array, count: int) -> Array:
    """Columns of J of each example: ``[n, count, k]``; zero past the last column."""
    tangents = view.unit_tangents(start, count)
    real = (start + jnp.arange(count) < view.p)[:, None]

    def example(variable: Arrays, constant: Arrays) -> Array:
        def push(tangent: Arrays) -> Array:
            return jax.jvp(lambda leaves: view.apply(leaves, constant), (variable,), (tangent,))[1]

        # A tangent of zeros through an infinite derivative is not zero: what lies past the end is cut here.
        return jnp.where(real, jax.vmap(push)(tangents), 0)

    return jax.vmap(example, in_axes=view.axes)(*view.split(params, x))
