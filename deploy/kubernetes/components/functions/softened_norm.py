"""A norm without a kink at 0, as an example of a function that comes out of a ConfigMap."""

import jax.numpy as jnp

from app import ArraySpec, function


@function(x=ArraySpec("float32", (3,)))
def softened_norm(params, x):
    """√(x·x + 1) of three numbers, and their sum."""
    return jnp.stack([jnp.sqrt(x @ x + 1), x.sum()])
