"""What one device is and how fast: measured once, by a product, a copy, elementwise work and a small call."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


@dataclass(frozen=True)
class Rates:
    """How fast a device is.

    Args:
        flops_per_second: of large float32 matrix products.
        scalar_flops_per_second: of elementwise work that stays in cache.
        grouped_flops_per_second: of convolutions of single channels.
        bytes_per_second: read and written by elementwise work on large arrays, together.
        fresh_bytes_per_second: of memory that a program touches for the first time.
        call_seconds: of one call of a compiled program that does nothing, there and back.
        step_seconds: of one operation or one step of a loop inside a program, whatever it computes.
    """

    flops_per_second: float = 1e11
    scalar_flops_per_second: float = 4e9
    grouped_flops_per_second: float = 1e8
    bytes_per_second: float = 2e10
    fresh_bytes_per_second: float = 1e10
    call_seconds: float = 5e-5
    step_seconds: float = 2e-6


def memory_bytes() -> int:
    """Half of the memory of the default device; of the machine, where the device does not say."""
    stats = jax.devices()[0].memory_stats() or {}
    limit = stats.get("bytes_limit") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(limit) // 2


def known(measured: Mapping[str, float] | None) -> Rates | None:
    """The rates that were measured earlier; None where there are none, or others than are needed now."""
    try:
        return Rates(**measured) if measured else None
    except TypeError:
        return None


@cache
def rates() -> Rates:
    """Measure the default device, the first time; afterwards the same value. Takes about 0.2 s."""
    side, length = 1024, 1 << 22
    square, line = jnp.ones((side, side), jnp.float32), jnp.ones(length, jnp.float32)
    short, steps, rounds = jnp.ones(1 << 12, jnp.float32), 1_000, 200
    small = jnp.eye(8, dtype=jnp.float32)
    product = _best(lambda a: jnp.dot(a, a, precision="highest"), square)
    call = _best(lambda a: a[:8] + 1, short)
    once, often = (_best(partial(_rolled, times), line) for times in (2, 12))
    streamed = max(often - once, 1e-7) / 10
    # The body is a product, so that a compiler cannot make one piece of code of the whole loop.
    loop = _best(lambda a: lax.scan(lambda c, _: (jnp.dot(a, c), None), a, length=steps)[0], small)
    work = _best(lambda a: lax.fori_loop(0, rounds, lambda _, c: c * 1.0001 + 1, a), short)
    image = jnp.ones((8, 8, 8, 16), jnp.float32)
    groups = _best(_depthwise, image)
    return Rates(
        flops_per_second=2 * side**3 / product,
        scalar_flops_per_second=2 * rounds * short.size / max(work - call, 1e-7),
        grouped_flops_per_second=2 * image.size * 9 / max(groups - call, 1e-7),
        bytes_per_second=2 * 4 * length / streamed,
        fresh_bytes_per_second=2 * 4 * length / max(once - 2 * streamed - call, 1e-7),
        call_seconds=call,
        step_seconds=max(loop - call, 1e-7) / steps,
    )


def _rolled(times: int, line: Any) -> Any:
    """Pass over an array some times, each time reading and writing all of it."""
    return lax.fori_loop(0, times, lambda _, c: jnp.roll(c, 1), line)


def _depthwise(images: Any) -> Any:
    """A convolution of each channel by itself."""
    channels = images.shape[-1]
    kernel, numbers = jnp.ones((3, 3, 1, channels), images.dtype), ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        images, kernel, (1, 1), "SAME", dimension_numbers=numbers, feature_group_count=channels
    )


def _best(function: Callable[[Any], Any], argument: Any) -> float:
    compiled = jax.jit(function).lower(argument).compile()
    compiled(argument).block_until_ready()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        compiled(argument).block_until_ready()
        times.append(time.perf_counter() - start)
    return min(times)
