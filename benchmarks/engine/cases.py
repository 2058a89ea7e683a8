"""What is measured: functions and numbers of examples."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from app import ArraySpec, Function

PAIR = (None, None)


@dataclass(frozen=True)
class Case:
    """A function, and how many examples each side has; None for one without a batch axis."""

    title: str
    function: Function
    n: tuple[int | None, int | None] = PAIR


def _random(*shape: int) -> np.ndarray:
    generator = np.random.default_rng(sum(shape))
    return (generator.standard_normal(shape) / np.sqrt(shape[-2])).astype(np.float32)


def _mixture(k: int, p: int) -> Function:
    weights = np.random.default_rng(k).random((k, p), np.float32)

    def apply(params: jax.Array, x: jax.Array) -> jax.Array:
        return jnp.sqrt(params @ x / x.size)

    return Function(apply, ArraySpec("float32", (p,), low=0, high=1), weights, name=f"mixture_{k}")


def _perceptron(*widths: int) -> Function:
    layers = [{"kernel": _random(a, b), "bias": np.zeros(b, np.float32)} for a, b in pairwise(widths)]

    def apply(params: list[dict[str, jax.Array]], x: jax.Array) -> jax.Array:
        for layer in params[:-1]:
            x = jax.nn.relu(x @ layer["kernel"] + layer["bias"])
        return x @ params[-1]["kernel"] + params[-1]["bias"]

    return Function(apply, ArraySpec("float32", (widths[0],)), layers, wrt="params", name="perceptron")


def _convolutions(width: int, depth: int) -> Function:
    kernels = [_random(3, 3, 3 if layer == 0 else width, width) / 3 for layer in range(depth)]
    params = {"kernels": kernels, "head": _random(width, 10)}

    def apply(params: dict[str, Any], x: jax.Array) -> jax.Array:
        x = x[None]
        for kernel in params["kernels"]:
            x = jax.lax.conv_general_dilated(
                x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            x = jax.nn.relu(x)
        return x.mean((0, 1, 2)) @ params["head"]

    return Function(apply, ArraySpec("float32", (8, 8, 3)), params, wrt="params", name="convolutions")


def _groups(count: int, size: int) -> Function:
    def apply(_: None, x: jax.Array) -> jax.Array:
        return jnp.sin(x).reshape(count, size).sum(1)

    return Function(apply, ArraySpec("float32", (count * size,)), name="groups")


def cases() -> list[Case]:
    """From the seed's shape to those where J has no room."""
    make: list[Callable[[], Case]] = [
        lambda: Case("`sqrt_mean`: p = 10,000, k = 5", _mixture(5, 10_000)),
        lambda: Case("same with k = 500", _mixture(500, 10_000)),
        lambda: Case("same with p = 20,000, k = 2,000", _mixture(2_000, 20_000)),
        lambda: Case("MLP 784-512³-10, 8 × 8 examples", _perceptron(784, 512, 512, 512, 10), (8, 8)),
        lambda: Case("CNN 8×8×3, 2 × conv 32, 4 × 4 examples", _convolutions(32, 2), (4, 4)),
        lambda: Case("sin of 2,000,000 in 1,000 groups", _groups(1_000, 2_000)),
    ]
    return [one() for one in make]
