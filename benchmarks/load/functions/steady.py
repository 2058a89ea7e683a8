"""One request takes some tens of milliseconds of one core, whatever its numbers are."""

import jax
import jax.numpy as jnp
import numpy as np

from app import ArraySpec, function

SIDE, OUTPUTS, STEPS = 128, 4, 18_000

turn = np.linalg.qr(np.random.RandomState(0).randn(SIDE, SIDE))[0].astype(np.float32)


@function(x=ArraySpec("float32", (SIDE,), low=-1, high=1), params=turn, warm=((1, None),))
def steady(params: jax.Array, x: jax.Array) -> jax.Array:
    """The sines of a few coordinates, after a long way of turns: K = diag(cos h1 cos h2)."""
    return jnp.sin(jax.lax.scan(lambda h, _: (params @ h, None), x, length=STEPS)[0][:OUTPUTS])
