"""Functions with loops inside: weights that steps share, that are stacked, that are carried."""

import jax
import jax.numpy as jnp
import ml_dtypes
from jax import lax

from app import ArraySpec
from tests.zoo.entry import entry, f32, weights


@entry(
    x=f32(7),
    params={
        "stacked": weights(1, 3, 7, 7),
        "shared": weights(2, 7, 7),
        "bias": weights(3, 7),
        "start": weights(4, 7),
    },
    wrts=("params", "x", "params.stacked", "params.start,params.bias"),
)
def scan_both(params, x):
    """Each step has a weight of its own and one that all share; the first state is learned too."""

    def layer(state, weight):
        state = jnp.tanh(weight @ state + params["shared"] @ x + params["bias"])
        return state, state * params["bias"]

    state, passed = lax.scan(layer, params["start"], params["stacked"], reverse=True)
    return state[:5] + passed[1, 2:]


@entry(
    x=ArraySpec("int32", (5,), low=0, high=11),
    params={"table": weights(5, 11, 7), "cell": weights(6, 7, 7), "by_step": weights(7, 5, 7)},
    wrts=("params", "params.table", "params.by_step"),
)
def scan_tokens(params, x):
    """A recurrence over tokens: rows are looked up in the loop, by the token and by the step."""

    def step(state, at):
        token, place = at
        state = jnp.tanh(params["cell"] @ state + params["table"][token] * params["by_step"][place])
        return state, None

    return lax.scan(step, jnp.ones(7), (x, jnp.arange(5)))[0]


@entry(
    x=f32(3, 5),
    params={"outer": weights(8, 7, 7), "inner": weights(9, 2, 7, 7), "input": weights(10, 7, 5)},
    wrts=("params", "x", "params.inner"),
)
def nested_loops(params, x):
    """A compiled function in a checkpoint in a scan, around a scan over layers that all steps share."""

    @jax.jit
    def cell(state, value):
        return jnp.tanh(params["outer"] @ state + params["input"] @ value)

    @jax.checkpoint
    def step(state, value):
        layers = lax.scan(lambda y, w: (y + jnp.sin(w @ y), y[0]), cell(state, value), params["inner"])
        return layers

    state, firsts = lax.scan(step, jnp.zeros(7, x.dtype), x)
    return state + firsts.sum()


@entry(
    x=f32(5, 3),
    params={
        "kernel": weights(11, 2, 3, 7, dtype=ml_dtypes.bfloat16),
        "layers": weights(12, 3, 7, 7, dtype=ml_dtypes.bfloat16),
        "bias": weights(13, 7, dtype=ml_dtypes.bfloat16),
    },
    wrts=("params", "x", "params.layers"),
)
def brain_half_layers(params, x):
    """bfloat16 parameters of a convolution and of stacked layers, between float32 values."""
    kernel = params["kernel"].astype(x.dtype)
    image = lax.conv_general_dilated(x[None], kernel, (1,), "VALID", dimension_numbers=("NHC", "HIO", "NHC"))[
        0
    ]
    state = jnp.tanh(image + params["bias"]).sum(axis=0)
    return lax.scan(lambda y, w: (jnp.sin(w @ y), None), state, params["layers"])[0]


LOOPS = (scan_both, scan_tokens, nested_loops, brain_half_layers)
