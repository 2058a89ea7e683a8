"""Does not come to an end while anybody waits."""

import jax
import jax.numpy as jnp

from app import ArraySpec, function


@function(x=ArraySpec("float32", (3,)))
def stuck(params, x):
    """A loop of ten minutes and more, in one piece."""
    return jax.lax.while_loop(
        lambda state: state[0] < 2_000_000_000,
        lambda state: (state[0] + 1, jnp.sin(state[1] + 1.0)),
        (0, x),
    )[1]
