"""The function that the bodies of the wire's tests name."""

import jax
import jax.numpy as jnp

from app import ArraySpec, function


@function(x=ArraySpec("float32", (4,)), name="f")
def four_sines(params: None, x: jax.Array) -> jax.Array:
    """Sines of four numbers."""
    return jnp.sin(x)
