"""Raises while it runs, and only for inputs above a million."""

import jax
import jax.numpy as jnp
import numpy as np

from app import ArraySpec, function


def refuse(x, cotangent):
    if np.any(np.asarray(x) > 1e6):
        raise RuntimeError("a secret of the host")
    return np.asarray(cotangent)


@jax.custom_vjp
def guarded(x):
    return x


guarded.defvjp(
    lambda x: (x, x),
    lambda x, cotangent: (
        jax.pure_callback(
            refuse, jax.ShapeDtypeStruct(x.shape, x.dtype), x, cotangent, vmap_method="broadcast_all"
        ),
    ),
)


@function(x=ArraySpec("float32", (2,), low=0, high=1))
def treacherous(params, x):
    """The sum of squares, with a guard in its derivative."""
    return jnp.sum(guarded(x) ** 2)
