r"""The matrix-free path: unit cotangents through the transpose at x2, then through the linearisation at x1.

$K_{i\,\cdot\,jb} = J(x1_i)\,\big(J(x2_j)^\top e_b\big)$
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array, lax

from app.engine.algorithms.algorithm import Kernel, Unstructured, evenly
from app.engine.products import mirror
from app.engine.view import Arrays, View

# Bytes of cotangents in the variable's space at a time: enough for products to run at their peak, few
# enough to stay near the cache.
_CHUNK_BYTES = 16 << 20


@dataclass(frozen=True)
class VectorProducts(Unstructured):
    """Best for many outputs of one example, and where J has no room at all.

    Memory never grows with k: the loop over chunks of cotangents is what makes it matrix-free, since
    ``vmap`` over the whole identity would batch a [k, p] array.

    Cost:
        time n2 k vjp + n1 n2 k jvp; memory c p itemsize bytes for c cotangents, and the linearisations.
    """

    name: str = "vector_products"

    def chunk(self, view: View, rows: int, columns: int, memory_bytes: int) -> int:
        """Cotangents that are pushed at a time."""
        del rows
        limit = min(_CHUNK_BYTES, memory_bytes // 8)
        return evenly(limit / (view.p * view.itemsize), columns * view.k)

    def kernel(self, view: View, chunk: int) -> Kernel:
        """Reverse then forward mode for ``chunk`` cotangents at a time."""
        outputs = min(chunk, view.k)
        examples = max(1, chunk // view.k)

        def kernel(params: Sequence[Array], x1: Sequence[Array], x2: Sequence[Array] | None) -> Array:
            push = _linearised(view, params, x1)

            def example(x: Sequence[Array]) -> Array:
                pull = _transposed(view, params, x)

                def columns(start: Array | int) -> Array:
                    gradients = jax.vmap(pull)(view.unit_cotangents(start, outputs))
                    return jax.vmap(push)(gradients)

                if outputs >= view.k:
                    return columns(0)[: view.k]
                pieces = lax.map(columns, jnp.arange(0, view.k, outputs))
                return pieces.reshape(-1, *pieces.shape[2:])[: view.k]

            right = list(x1 if x2 is None else x2)
            block = lax.map(example, right, batch_size=min(examples, right[0].shape[0]))
            block = block.transpose(2, 3, 0, 1).astype(view.dtype)
            return mirror(block) if x2 is None else block

        return kernel


def _transposed(view: View, params: Sequence[Array], x: Sequence[Array]) -> Callable[[Array], Arrays]:
    """Jᵀ at one example: ``[k]`` -> leaves of the variable."""
    variable, constant = view.split(params, x)
    _, pullback = jax.vjp(lambda leaves: view.apply(leaves, constant), variable)
    return lambda cotangent: pullback(cotangent)[0]


def _linearised(view: View, params: Sequence[Array], x: Sequence[Array]) -> Callable[[Arrays], Array]:
    """J at each example: leaves of the variable -> ``[n, k]``."""
    variable, constant = view.split(params, x)
    count = x[0].shape[0]

    def batch(leaves: Arrays) -> Array:
        return jax.vmap(view.apply, in_axes=view.axes)(leaves, constant)

    push = _forward(batch, variable)

    def everywhere(tangent: Arrays) -> Array:
        own = view.axes[0]
        leaves = [
            leaf if axis is None else jnp.broadcast_to(leaf, (count, *leaf.shape))
            for leaf, axis in zip(tangent, own, strict=True)
        ]
        return push(leaves)

    return everywhere


def _forward(function: Callable[[Arrays], Array], variable: Arrays) -> Callable[[Arrays], Array]:
    try:
        _, push = jax.linearize(function, variable)
        # A function without a forward rule is linearised without a word; it refuses when it is batched.
        jax.eval_shape(jax.vmap(push), [jnp.broadcast_to(leaf, (1, *leaf.shape)) for leaf in variable])
    except TypeError:
        # A custom_vjp has no forward mode; but the pullback is linear, and its transpose is the exact jvp.
        y, pullback = jax.vjp(function, variable)
        transpose = jax.linear_transpose(lambda cotangent: pullback(cotangent)[0], y)
        return lambda tangent: _applied(transpose, tangent)
    return push


def _applied(transpose: Callable[[Arrays], tuple[Array, ...]], tangent: Arrays) -> Array:
    try:
        return transpose(tangent)[0]
    except (AssertionError, RuntimeError) as error:
        # JAX says so in many ways, and often not in words.
        raise TypeError(
            "the rule of its custom_vjp is not linear in the cotangent, or holds what has no transpose"
        ) from error
