"""What one writes by hand in JAX today: the rows of an identity matrix through vjp and jvp, pair by pair.

Runs in our own environment, in a process of its own like every peer.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.peers.cases import Arrays, Case
from benchmarks.peers.foreign.serve import Build, Built, serve
from benchmarks.peers.networks import NETWORKS, Tree

Over = Callable[[Callable[[jax.Array], jax.Array], jax.Array], jax.Array]
MOST_BYTES = 8 << 30  # of temporaries


def all_at_once(function: Callable[[jax.Array], jax.Array], examples: jax.Array) -> jax.Array:
    """Examples by vmap."""
    return jax.vmap(function)(examples)


def build(over: Over, case: Case, values: Arrays) -> Built:
    """All pairs of examples, in one compiled program."""
    network = NETWORKS[case.network]

    def pair(params: Tree, one: jax.Array, other: jax.Array) -> jax.Array:
        def f(x: jax.Array) -> Callable[[Tree], jax.Array]:
            return lambda params: network(params, values.stats, x)

        _, pullback = jax.vjp(f(other), params)
        columns = jax.vmap(lambda unit: jax.jvp(f(one), (params,), pullback(unit))[1])
        return columns(jnp.eye(case.k)).T

    def matrix(params: Tree, x1: jax.Array, x2: jax.Array) -> jax.Array:
        blocks = over(lambda one: over(lambda other: pair(params, one, other), x2), x1)
        return blocks.transpose(0, 2, 1, 3)

    params, x1, x2 = jax.device_put((values.params, values.x1, values.x2))
    with jax.default_matmul_precision("highest"):
        compiled: Any = jax.jit(matrix).lower(params, x1, x2).compile()
    temporary_bytes = compiled.memory_analysis().temp_size_in_bytes
    if temporary_bytes > MOST_BYTES:
        raise MemoryError(f"{temporary_bytes / 1e9:.0f} GB of temporaries")
    return Built(lambda: jax.device_get(compiled(params, x1, x2)), lambda result: result)


def builds() -> dict[str, Build]:
    """By the names in the table."""
    return {"vmap over pairs": partial(build, all_at_once), "loop over pairs": partial(build, jax.lax.map)}


if __name__ == "__main__":
    serve(builds())
