"""Small, with a Jacobian that fits in one's head."""

import jax.numpy as jnp

from app import ArraySpec, function


@function(x=ArraySpec("float32", (3,)), tags=("waves",))
def two_waves(params, x):
    """Two waves over three numbers: J = [[cos x0, 1, 0], [0, 0, 2 x2]]."""
    return jnp.stack([jnp.sin(x[0]) + x[1], x[2] ** 2])
