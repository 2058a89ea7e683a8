"""A layer whose kernel of thousands of examples is many blocks."""

import jax
import jax.numpy as jnp
import numpy as np

from app import ArraySpec, function

SIDE, WIDTH = 32, 1024
random = np.random.RandomState(3)
weights = {
    "inner": (random.randn(SIDE, WIDTH) / np.sqrt(SIDE)).astype(np.float32),
    "outer": (random.randn(WIDTH) / np.sqrt(WIDTH)).astype(np.float32),
}


@function(x=ArraySpec("float32", (SIDE,), low=-1, high=1), params=weights, wrt="params")
def network(params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    """One output, and all weights are variables."""
    return jnp.tanh(x @ params["inner"]) @ params["outer"]
