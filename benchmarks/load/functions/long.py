"""One request is one block of half a second or so, and a prediction that is far too low."""

import jax
import jax.numpy as jnp

from app import ArraySpec, function

STEPS = 3 * 25_000_000


@function(x=ArraySpec("float32", (3,), low=-1, high=1), warm=((1, None),))
def long(_: None, x: jax.Array) -> jax.Array:
    """The sines of three numbers that were turned round and round: K = diag(cos x1 cos x2)."""
    start = (0, x)
    return jnp.sin(
        jax.lax.while_loop(lambda s: s[0] < STEPS, lambda s: (s[0] + 1, jnp.roll(s[1], 1)), start)[1]
    )
