"""Functions in other dtypes than float32: float64, 16-bit floats, and mixtures."""

import jax.numpy as jnp
import ml_dtypes
import numpy as np

from app import ArraySpec
from tests.zoo.entry import entry, f32, weights


@entry(
    x=ArraySpec("float64", (11,)),
    params={"w": weights(1, 7, 11, dtype=np.float64), "b": weights(2, 7, dtype=np.float64)},
    wrts=("x", "params", "params.b"),
)
def double(params, x):
    """A world of its own: a float32 anywhere on the way would show."""
    return jnp.sin(params["w"] @ x + params["b"]) + jnp.zeros(7)


@entry(x=f32(11), params={"w": weights(3, 7, 11, dtype=np.float64)}, wrts=("params", "x"), x64=True)
def double_params(params, x):
    """float32 inputs and float64 parameters, declared to live in float64."""
    return jnp.tanh(params["w"] @ x)


@entry(
    x=ArraySpec("bfloat16", (11,)),
    params={"w": weights(4, 7, 11, dtype=ml_dtypes.bfloat16), "b": weights(5, 7, dtype=ml_dtypes.bfloat16)},
    wrts=("x", "params"),
)
def brain_half(params, x):
    """All in bfloat16; the matrix is float32."""
    return jnp.sin(params["w"] @ x + params["b"])


@entry(
    x=ArraySpec("float16", (11,)),
    params={"w": weights(6, 7, 11, dtype=np.float16)},
)
def half(params, x):
    """All in float16; the matrix is float32."""
    return jnp.tanh(params["w"] @ x)


@entry(
    x=f32(11),
    params={"small": weights(7, 7, 11, dtype=np.float16), "large": weights(8, 5, 7)},
    wrts=("params", "x", "params.small"),
)
def mixed_widths(params, x):
    """float16 and float32 parameters: promoted together the matrix is float32."""
    return params["large"] @ jnp.tanh(params["small"] @ x)


NUMBERS = (double, double_params, brain_half, half, mixed_widths)
