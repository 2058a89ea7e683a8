"""Takes its time while it compiles."""

import jax.numpy as jnp

from app import ArraySpec, function


@function(x=ArraySpec("float32", (4,)))
def slow_compile(params, x):
    """An unrolled loop: hundreds of products for the compiler, microseconds for the device."""
    for step in range(80):
        x = jnp.sin(jnp.full((4, 4), 0.2 + 0.001 * step) @ x)
    return x
