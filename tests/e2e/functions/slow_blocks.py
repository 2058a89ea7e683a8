"""Takes its time while it runs."""

import jax
import jax.numpy as jnp

from app import ArraySpec, function


@function(x=ArraySpec("float32", (64,)))
def slow_blocks(params, x):
    """A long scan: quick to compile, and some milliseconds for each example."""

    def step(state, _):
        return jnp.tanh(state + 0.1 * jnp.roll(state, 1)), None

    return jax.lax.scan(step, x, length=2000)[0]
