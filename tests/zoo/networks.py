"""Whole networks, small: of none of them does a leaf fall back."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.zoo.entry import entry, f32, weights


def _norm(params, x):
    mean = x.mean(-1, keepdims=True)
    spread = jax.lax.rsqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-3)
    return (x - mean) * spread * params["scale"] + params["offset"]


def _scale(seed: int, size: int) -> dict[str, np.ndarray]:
    return {"scale": 1 + weights(seed, size), "offset": weights(seed + 1, size)}


def _conv(kernel, x, stride=1):
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@entry(
    x=f32(6, 4, 2),
    params={
        "stem": weights(1, 3, 3, 2, 5),
        "norm": _scale(2, 5),
        "convs": [weights(4, 3, 3, 5, 5), weights(5, 3, 3, 5, 7)],
        "norms": [_scale(6, 5), _scale(8, 7)],
        "past": weights(10, 1, 1, 5, 7),
        "head": weights(11, 7, 3),
    },
    wrts=("params", "x", "params.head", "params.convs"),
)
def resnet(params, x):
    """A stem, a residual block that halves the image, batch norms of constant averages, a head."""
    average, variance = np.float32(0.1), np.float32(0.8)

    def normal(norm, y):
        return (y - average) / np.sqrt(variance) * norm["scale"] + norm["offset"]

    x = jnp.tanh(normal(params["norm"], _conv(params["stem"], x[None])))
    y = jnp.tanh(normal(params["norms"][0], _conv(params["convs"][0], x)))
    y = normal(params["norms"][1], _conv(params["convs"][1], y, stride=2))
    x = jnp.tanh(_conv(params["past"], x, stride=2) + y)
    return x.mean((0, 1, 2)) @ params["head"]


@entry(
    x=f32(5, 6),
    params={
        "norms": [_scale(21, 6), _scale(23, 6)],
        "kernels": {name: weights(seed, 6, 6) for seed, name in enumerate(("q", "k", "v", "out"), 25)},
        "up": {"kernel": weights(29, 6, 11), "bias": weights(30, 11)},
        "down": {"kernel": weights(31, 11, 6), "bias": weights(32, 6)},
        "head": weights(33, 6, 3),
    },
    wrts=("params", "x", "params.kernels.q,params.kernels.v"),
)
def transformer(params, x):
    """One block: two heads of attention and a feed-forward layer, norms before them."""
    y, kernels = _norm(params["norms"][0], x), params["kernels"]
    q, k, v = ((y @ kernels[name]).reshape(5, 2, 3).swapaxes(0, 1) for name in ("q", "k", "v"))
    attended = jax.nn.softmax(q @ k.swapaxes(1, 2) / np.sqrt(3)) @ v
    x = x + attended.swapaxes(0, 1).reshape(5, 6) @ kernels["out"]
    hidden = _norm(params["norms"][1], x) @ params["up"]["kernel"] + params["up"]["bias"]
    x = x + jax.nn.gelu(hidden) @ params["down"]["kernel"] + params["down"]["bias"]
    return x.mean(0) @ params["head"]


@entry(
    x=f32(5, 3),
    params={"inner": weights(41, 3, 28), "outer": weights(42, 7, 28), "bias": weights(43, 28)},
    wrts=("params", "x", "params.outer"),
)
def lstm(params, x):
    """A long short-term memory over a sequence: four gates of one product, two carries."""

    def step(carry, x):
        hidden, cell = carry
        gates = jnp.split(x @ params["inner"] + hidden @ params["outer"] + params["bias"], 4)
        keep, take, give = (jax.nn.sigmoid(gate) for gate in gates[:3])
        cell = keep * cell + take * jnp.tanh(gates[3])
        return (give * jnp.tanh(cell), cell), None

    start = (jnp.zeros(7, x.dtype), jnp.zeros(7, x.dtype))
    return jax.lax.scan(step, start, x)[0][0]


@entry(
    x=f32(5, 6),
    params={
        "norms": [_scale(51, 6), _scale(53, 6)],
        "tokens": [weights(55, 5, 7), weights(56, 7, 5)],
        "channels": [weights(57, 6, 11), weights(58, 11, 6)],
        "head": weights(59, 6, 3),
    },
    wrts=("params", "x", "params.tokens"),
)
def mixer(params, x):
    """An MLP-mixer: dense layers across tokens, then across channels."""
    tokens, channels = params["tokens"], params["channels"]
    x = x + (jax.nn.gelu(_norm(params["norms"][0], x).T @ tokens[0]) @ tokens[1]).T
    x = x + jax.nn.gelu(_norm(params["norms"][1], x) @ channels[0]) @ channels[1]
    return x.mean(0) @ params["head"]


NETWORKS = (resnet, transformer, lstm, mixer)
