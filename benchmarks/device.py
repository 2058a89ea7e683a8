"""The device that JAX computes on: what it is, and the speed of a large matrix product there."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.measure import PRODUCT_SIDE, machine

_LARGE_SIDE = 8192  # what fills a GPU


def on_gpu() -> bool:
    """Whether the default device is one."""
    return jax.default_backend() == "gpu"


def side() -> int:
    """Rows and columns of the square that ``product`` multiplies."""
    return _LARGE_SIDE if on_gpu() else PRODUCT_SIDE


def product() -> Callable[[], Any]:
    """A float32 product of two squares, compiled; each call returns when it is computed."""
    square = jnp.full((side(), side()), 0.5, jnp.float32)
    compiled: Any = jax.jit(lambda a: jnp.dot(a, a, precision="highest")).lower(square).compile()
    compiled(square).block_until_ready()
    return lambda: compiled(square).block_until_ready()


def described(product_seconds: list[float]) -> str:
    """The machine and the device in general terms, and the speed of ``product`` in this run."""
    return machine(product_seconds, side(), f", {jax.devices()[0].device_kind}" if on_gpu() else "")


def named(results: str) -> str:
    """What results are called: those of a GPU stand beside those of a CPU."""
    return f"{results}-gpu" if on_gpu() else results
