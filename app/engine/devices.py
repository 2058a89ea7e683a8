"""What one device is and how fast: measured once, by a product, a copy, elementwise work and a small call."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

Device = Any  # a jax.Device, which is no type to checkers


@dataclass(frozen=True)
class Rates:
    """How fast a device is.

    Args:
        flops_per_second: of large float32 matrix products.
        scalar_flops_per_second: of elementwise work that stays in cache, on arrays that keep all cores busy.
        grouped_flops_per_second: of convolutions of single channels.
        bytes_per_second: read and written by elementwise work on large arrays, together.
        fresh_bytes_per_second: of memory that a program touches for the first time.
        block_seconds: of one block that computes nothing: a call of a program, transfers, what is around it.
        step_seconds: of one operation or one step of a loop inside a program, whatever it computes.
        light_step_seconds: the same of a loop without products, which a compiler may make one piece of code.
        workspace_bytes: that a program with a product holds, whatever the size of the product.
    """

    flops_per_second: float = 1e11
    scalar_flops_per_second: float = 4e9
    grouped_flops_per_second: float = 1e8
    bytes_per_second: float = 2e10
    fresh_bytes_per_second: float = 1e10
    block_seconds: float = 1e-4
    step_seconds: float = 2e-6
    light_step_seconds: float = 1e-7
    workspace_bytes: float = 0.0


def local() -> list[Device]:
    """The devices of this process, of the default kind."""
    return jax.local_devices()


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
    """Measure the default device, the first time; afterwards the same value. Of a block, the call alone.

    Takes a second on a CPU, some seconds on a GPU, where programs take longer to compile.
    """
    call = least_seconds(_compiled(lambda a: a[:8] + 1, jnp.ones(1 << 12, jnp.float32)))
    small, steps = jnp.eye(8, dtype=jnp.float32), 1_000

    def looped(body: Callable[[Array, Array], Array]) -> float:
        loop = _compiled(lambda a: lax.scan(lambda c, _: (body(a, c), None), a, length=steps)[0], small)
        return max(least_seconds(loop) - call, 1e-7) / steps

    # The body is a product, so that a compiler cannot make one piece of code of the whole loop.
    step = looped(jnp.dot)
    # Three steps in each: of the loop, what is rolled, and the sum.
    light_step = looped(lambda _, c: c + jnp.roll(c, 1)) / 3
    side, product = _grown(_squares, 1 << 10, 1 << 12, 4, 4 * call)
    length, streamed, fresh = _streaming(call, step)
    size, work = _grown(_elementwise, 1 << 16, 1 << 24, 64, 4 * (call + _ROUNDS * step))
    images, groups = _grown(_depthwise, 1 << 9, 1 << 15, 64, 4 * call)
    return Rates(
        flops_per_second=2 * side**3 / max(product - call, 1e-7),
        scalar_flops_per_second=40 * _ROUNDS * size / max(work - call - _ROUNDS * step, 1e-7),
        grouped_flops_per_second=2 * images * _PIXELS * 9 / max(groups - call, 1e-7),
        bytes_per_second=8 * length / streamed,
        fresh_bytes_per_second=8 * length / fresh,
        block_seconds=call,
        step_seconds=step,
        light_step_seconds=min(light_step, step),
        workspace_bytes=_workspace_bytes(),
    )


_ROUNDS = 50
_PIXELS = 8 * 8 * 16


def _squares(side: int) -> Callable[[], Any]:
    """A product of two squares."""
    return _compiled(_product, jnp.ones((side, side), jnp.float32))


def _product(a: Array) -> Array:
    return jnp.dot(a, a, precision="highest")


def _workspace_bytes() -> int:
    """What a small product holds."""
    analysis: Any = jax.jit(_product).lower(jnp.ones((64, 64), jnp.float32)).compile().memory_analysis()
    return int(getattr(analysis, "temp_size_in_bytes", 0) or 0)


def _streaming(call: float, step: float) -> tuple[int, float, float]:
    """A length, and seconds of passing over an array of it: once more, and over memory not touched before."""

    def passes(times: int) -> Callable[[int], Callable[[], Any]]:
        def rolled(length: int) -> Callable[[], Any]:
            return _compiled(
                lambda a: lax.fori_loop(0, times, lambda _, c: jnp.roll(c, 1), a),
                jnp.ones(length, jnp.float32),
            )

        return rolled

    length, often = _grown(passes(12), 1 << 22, 1 << 25, 8, 4 * (call + 12 * step))
    once = least_seconds(passes(2)(length))
    streamed = max((often - once) / 10 - step, 1e-7)
    # Memory that is new is touched no faster than memory that is not.
    return length, streamed, max(once - call - 2 * (streamed + step), streamed)


def _elementwise(size: int) -> Callable[[], Any]:
    """Four functions of ten flops, one upon the other, in each of some rounds."""

    def body(_: int, a: Array) -> Array:
        return jnp.tanh(jnp.tanh(jnp.tanh(jnp.tanh(a))))

    return _compiled(lambda a: lax.fori_loop(0, _ROUNDS, body, a), jnp.ones(size, jnp.float32))


def _depthwise(count: int) -> Callable[[], Any]:
    """A convolution of each channel by itself, of some images of 8 × 8 pixels and 16 channels."""
    kernel, numbers = jnp.ones((3, 3, 1, 16), jnp.float32), ("NHWC", "HWIO", "NHWC")
    return _compiled(
        lambda images: lax.conv_general_dilated(
            images, kernel, (1, 1), "SAME", dimension_numbers=numbers, feature_group_count=16
        ),
        jnp.ones((count, 8, 8, 16), jnp.float32),
    )


def _grown(
    make: Callable[[int], Callable[[], Any]], size: int, largest: int, factor: int, enough_seconds: float
) -> tuple[int, float]:
    """The first size at which a program takes long enough to be measured, and its seconds."""
    while True:
        seconds = least_seconds(make(size))
        if seconds >= enough_seconds or size * factor > largest:
            return size, seconds
        size *= factor


def _compiled(function: Callable[[Any], Any], argument: Any) -> Callable[[], Any]:
    compiled = jax.jit(function).lower(argument).compile()
    return lambda: compiled(argument).block_until_ready()


def least_seconds(program: Callable[[], Any], rest_seconds: float = 0.0, calls: int = 5) -> float:
    """The least seconds of some calls, after one that does not count.

    Args:
        program: what is called.
        rest_seconds: before each call, so that it finds the machine as a request does, not in full swing.
        calls: how many.
    """
    program()
    times = []
    for _ in range(calls):
        time.sleep(rest_seconds)
        start = time.perf_counter()
        program()
        times.append(time.perf_counter() - start)
    return min(times)
