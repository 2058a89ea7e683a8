"""The functions that are measured, by their sizes: plain JAX, random weights. Knows no batch sizes."""

from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from app import ArraySpec, Function
from benchmarks.peers.cases import CASES, arrays
from benchmarks.peers.networks import attention, dense, layer_norm
from benchmarks.peers.ours import declared

Tree = dict[str, Any]


def mixture(k: int, p: int) -> Function:
    """The seed's: square roots of k random mixtures of p inputs."""
    weights = np.random.default_rng(k).random((k, p), np.float32)

    def apply(params: jax.Array, x: jax.Array) -> jax.Array:
        return jnp.sqrt(params @ x / x.size)

    return Function(apply, ArraySpec("float32", (p,), low=0, high=1), weights, name=f"mixture_{k}")


def perceptron(*widths: int) -> Function:
    """Dense layers with relu between them."""
    layers = [_dense(a, b) for a, b in pairwise(widths)]

    def apply(params: list[Tree], x: jax.Array) -> jax.Array:
        for layer in params[:-1]:
            x = jax.nn.relu(dense(layer, x))
        return dense(params[-1], x)

    return Function(apply, ArraySpec("float32", (widths[0],)), layers, wrt="params", name="perceptron")


def convolutions(width: int, depth: int) -> Function:
    """3 × 3 convolutions with relu over 8 × 8 pixels, their mean, a head of 10."""
    kernels = [_random(3, 3, 3 if layer == 0 else width, width) / 3 for layer in range(depth)]
    params = {"kernels": kernels, "head": _random(width, 10)}

    def apply(params: Tree, x: jax.Array) -> jax.Array:
        x = x[None]
        for kernel in params["kernels"]:
            x = jax.nn.relu(_conv(kernel, x))
        return x.mean((0, 1, 2)) @ params["head"]

    return Function(apply, ArraySpec("float32", (8, 8, 3)), params, wrt="params", name="convolutions")


def depthwise(width: int) -> Function:
    """A stem, then twice a 3 × 3 convolution of each channel alone and a 1 × 1 of all, as in MobileNet."""
    layers = [{"alone": _random(3, 3, 1, width), "all": _random(1, 1, width, width)} for _ in range(2)]
    params = {"stem": _random(3, 3, 3, width) / 3, "layers": layers, "head": _random(width, 10)}

    def apply(params: Tree, x: jax.Array) -> jax.Array:
        x = jax.nn.relu(_conv(params["stem"], x[None]))
        for layer in params["layers"]:
            x = jax.nn.relu(_conv(layer["alone"], x, groups=width))
            x = jax.nn.relu(_conv(layer["all"], x))
        return x.mean((0, 1, 2)) @ params["head"]

    return Function(apply, ArraySpec("float32", (8, 8, 3)), params, wrt="params", name="depthwise")


def peers(name: str) -> Function:
    """One of the networks that peers are compared on; its weights are ``params.params``."""
    case = CASES[name]
    return declared(case, arrays(case))


def vision(width: int = 64, side: int = 16, patch: int = 4, depth: int = 2) -> Function:
    """A vision transformer: patches by one product, learnt positions, blocks, a head."""
    tokens = (side // patch) ** 2
    params = {
        "patches": _dense(3 * patch**2, width),
        "positions": _random(tokens, width),
        "blocks": [_block(width) for _ in range(depth)],
        "norm": _norm(width),
        "head": _dense(width, 10),
    }

    def apply(params: Tree, x: jax.Array) -> jax.Array:
        grid = x.reshape(side // patch, patch, side // patch, patch, 3).swapaxes(1, 2)
        y = dense(params["patches"], grid.reshape(tokens, -1)) + params["positions"]
        for block in params["blocks"]:
            y = y + attention(block, layer_norm(block["norm0"], y))
            y = y + dense(block["down"], jax.nn.gelu(dense(block["up"], layer_norm(block["norm1"], y))))
        return dense(params["head"], layer_norm(params["norm"], y).mean(0))

    return Function(apply, ArraySpec("float32", (side, side, 3)), params, wrt="params", name="vision")


def adapted(rank: int, *widths: int) -> Function:
    """Dense layers that stay, each with an adapter of low rank beside it: J of the adapters alone."""
    layers = [
        {"kernel": _random(a, b), "a": _random(a, rank), "b": _random(rank, b)} for a, b in pairwise(widths)
    ]

    def apply(params: list[Tree], x: jax.Array) -> jax.Array:
        for index, layer in enumerate(params):
            y = x @ layer["kernel"] + (x @ layer["a"]) @ layer["b"]
            x = y if index == len(params) - 1 else jax.nn.relu(y)
        return x

    return Function(
        apply, ArraySpec("float32", (widths[0],)), layers, wrt="params.*.a,params.*.b", name="adapted"
    )


def recurrent(steps: int, inputs: int = 16, hidden: int = 64, k: int = 5) -> Function:
    """A gated recurrent unit over a sequence by ``scan``, and a head on its last state."""
    params = {"gates": _dense(inputs + hidden, 2 * hidden), "new": _dense(inputs + hidden, hidden)}

    def step(params: Tree, state: jax.Array, x: jax.Array) -> jax.Array:
        keep, reset = jnp.split(jax.nn.sigmoid(dense(params["gates"], jnp.concatenate([x, state]))), 2)
        new = jnp.tanh(dense(params["new"], jnp.concatenate([x, reset * state])))
        return keep * state + (1 - keep) * new

    def apply(params: Tree, x: jax.Array) -> jax.Array:
        start = jnp.zeros(hidden, x.dtype)
        last, _ = jax.lax.scan(lambda state, one: (step(params, state, one), None), start, x)
        return dense(params["head"], last)

    weights = {**params, "head": _dense(hidden, k)}
    return Function(
        apply, ArraySpec("float32", (steps, inputs)), weights, wrt="params", name=f"recurrent_{steps}"
    )


def rod(points: int = 100, steps: int = 200, k: int = 10) -> Function:
    """Heat in a rod that conducts better where it is hot, by explicit steps: temperatures at k places."""

    def step(heat: jax.Array, _: None) -> tuple[jax.Array, None]:
        flow = (0.2 + 0.05 * jnp.tanh(heat[1:])) * jnp.diff(heat)
        return heat + jnp.pad(flow, (0, 1)) - jnp.pad(flow, (1, 0)), None

    def apply(_: None, x: jax.Array) -> jax.Array:
        return jax.lax.scan(step, x, None, length=steps)[0][:: points // k]

    return Function(apply, ArraySpec("float32", (points,)), name="rod")


def groups(count: int, size: int) -> Function:
    """Sums of sines, each input in one of them."""

    def apply(_: None, x: jax.Array) -> jax.Array:
        return jnp.sin(x).reshape(count, size).sum(1)

    return Function(apply, ArraySpec("float32", (count * size,)), name="groups")


def scalar(p: int) -> Function:
    """One output of many inputs and as many parameters."""

    def apply(params: jax.Array, x: jax.Array) -> jax.Array:
        return jnp.tanh(params * x).sum()[None]

    return Function(apply, ArraySpec("float32", (p,)), _random(1, p)[0], name="scalar")


def _random(*shape: int) -> np.ndarray:
    generator = np.random.default_rng(sum(shape))
    return (generator.standard_normal(shape) / np.sqrt(shape[-2])).astype(np.float32)


def _dense(inputs: int, outputs: int) -> Tree:
    return {"kernel": _random(inputs, outputs), "bias": np.zeros(outputs, np.float32)}


def _norm(features: int) -> Tree:
    return {"scale": np.ones(features, np.float32), "bias": np.zeros(features, np.float32)}


def _block(width: int) -> Tree:
    square = {name: _dense(width, width) for name in ("query", "key", "value", "out")}
    wide = {"up": _dense(width, 4 * width), "down": _dense(4 * width, width)}
    return {"norm0": _norm(width), **square, "norm1": _norm(width), **wide}


def _conv(kernel: jax.Array, x: jax.Array, groups: int = 1) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups
    )
