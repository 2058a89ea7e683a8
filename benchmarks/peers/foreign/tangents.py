"""The implementations of neural-tangents' ``empirical_ntk_fn``, each with and without ``vmap_axes``.

Runs where neural-tangents can be imported: JAX below 0.6.
"""

from functools import partial

import jax
import neural_tangents as nt

from benchmarks.peers.cases import Arrays, Case
from benchmarks.peers.foreign.serve import Build, Built, serve
from benchmarks.peers.networks import NETWORKS

IMPLEMENTATIONS = ("JACOBIAN_CONTRACTION", "NTK_VECTOR_PRODUCTS", "STRUCTURED_DERIVATIVES")


def build(implementation: str, vmap_axes: int | None, case: Case, values: Arrays) -> Built:
    """A compiled kernel; its weights are arguments, as ours are."""

    def f(params: dict, x: jax.Array) -> jax.Array:
        return NETWORKS[case.network](params, values.stats, x)

    kernel = nt.empirical_ntk_fn(
        f, trace_axes=(), vmap_axes=vmap_axes, implementation=nt.NtkImplementation[implementation]
    )
    params, x1, x2 = jax.device_put((values.params, values.x1, values.x2))
    with jax.default_matmul_precision("float32"):  # what is "highest" today
        compiled = jax.jit(lambda params, x1, x2: kernel(x1, x2, params)).lower(params, x1, x2).compile()
    return Built(
        lambda: compiled(params, x1, x2).block_until_ready(),
        lambda result: jax.device_get(result).transpose(0, 2, 1, 3),
    )


def builds() -> dict[str, Build]:
    """By the names in the table."""
    axes: dict[str, int | None] = {"": None, ", vmap_axes=0": 0}
    return {
        f"{implementation}{suffix}": partial(build, implementation, vmap_axes)
        for implementation in IMPLEMENTATIONS
        for suffix, vmap_axes in axes.items()
    }


if __name__ == "__main__":
    serve(builds())
