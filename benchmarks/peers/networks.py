"""The networks in JAX, for our engine, for neural-tangents and for the form by hand.

``NETWORKS[name](params, stats, x) -> y``, for one example or for a batch of them; runs on JAX 0.4.25 and on
the newest, so only what both have is used.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.peers.cases import HEADS, NORM_EPSILON

Tree = dict[str, Any]


def dense(params: Tree, x: jax.Array) -> jax.Array:
    """``[..., in] -> [..., out]``."""
    return x @ params["kernel"] + params["bias"]


def conv(params: Tree, x: jax.Array, stride: int = 1) -> jax.Array:
    """``[n, height, width, in] -> [n, height / stride, width / stride, out]``, padded by half a window."""
    kernel = params["kernel"]
    pad = kernel.shape[0] // 2
    y = jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), [(pad, pad)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return y + params["bias"]


def layer_norm(params: Tree, x: jax.Array) -> jax.Array:
    """Over the last axis."""
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + NORM_EPSILON) * params["scale"] + params["bias"]


def batch_norm(params: Tree, stats: Tree, x: jax.Array) -> jax.Array:
    """By averages that are constants."""
    normal = (x - stats["mean"]) * jax.lax.rsqrt(stats["variance"] + NORM_EPSILON)
    return normal * params["scale"] + params["bias"]


def perceptron(params: Tree, _: Tree, x: jax.Array) -> jax.Array:
    """Dense layers with relu between them."""
    last = len(params) - 1
    for index in range(last):
        x = jax.nn.relu(dense(params[f"dense{index}"], x))
    return dense(params[f"dense{last}"], x)


def convolutions(params: Tree, _: Tree, x: jax.Array) -> jax.Array:
    """Convolutions with relu, the mean over pixels, a dense head."""
    y = x if x.ndim == 4 else x[None]
    for index in range(len(params) - 1):
        y = jax.nn.relu(conv(params[f"conv{index}"], y))
    y = dense(params["head"], y.mean((1, 2)))
    return y if x.ndim == 4 else y[0]


def attention(params: Tree, x: jax.Array) -> jax.Array:
    """Of all tokens to all, in ``HEADS`` heads: ``[..., tokens, d] -> [..., tokens, d]``."""

    def heads(name: str) -> jax.Array:
        y = dense(params[name], x)
        return y.reshape(*y.shape[:-1], HEADS, -1).swapaxes(-2, -3)

    query, key, value = heads("query"), heads("key"), heads("value")
    weights = jax.nn.softmax(query @ key.swapaxes(-1, -2) / jnp.sqrt(query.shape[-1]), axis=-1)
    return dense(params["out"], (weights @ value).swapaxes(-2, -3).reshape(x.shape))


def transformer(params: Tree, _: Tree, x: jax.Array) -> jax.Array:
    """One block with the norms before, the mean over tokens, a dense head."""
    x = x + attention(params, layer_norm(params["norm0"], x))
    hidden = jax.nn.gelu(dense(params["up"], layer_norm(params["norm1"], x)))
    x = x + dense(params["down"], hidden)
    return dense(params["head"], x.mean(-2))


def residual(params: Tree, stats: Tree, x: jax.Array, stride: int) -> jax.Array:
    """Two convolutions with batch norm, and what goes past them."""
    y = jax.nn.relu(batch_norm(params["norm0"], stats["norm0"], conv(params["conv0"], x, stride)))
    y = batch_norm(params["norm1"], stats["norm1"], conv(params["conv1"], y))
    past = conv(params["past"], x, stride) if "past" in params else x
    return jax.nn.relu(past + y)


def resnet(params: Tree, stats: Tree, x: jax.Array) -> jax.Array:
    """A stem, two residual blocks, the mean over pixels, a dense head."""
    y = x if x.ndim == 4 else x[None]
    y = jax.nn.relu(batch_norm(params["norm"], stats["norm"], conv(params["stem"], y)))
    y = residual(params["block0"], stats["block0"], y, 1)
    y = residual(params["block1"], stats["block1"], y, 2)
    y = dense(params["head"], y.mean((1, 2)))
    return y if x.ndim == 4 else y[0]


NETWORKS: dict[str, Callable[[Tree, Tree, jax.Array], jax.Array]] = {
    "perceptron": perceptron,
    "convolutions": convolutions,
    "transformer": transformer,
    "resnet": resnet,
}
