"""Much answer for little work."""

import jax.numpy as jnp
import numpy as np

from app import ArraySpec, function


@function(x=ArraySpec("float32", (4,)), params=np.linspace(-1, 1, 80, dtype=np.float32).reshape(4, 20))
def wide(params, x):
    """Twenty numbers of four: a thousand examples make a matrix of 1.6 GB."""
    return jnp.tanh(x @ params)
