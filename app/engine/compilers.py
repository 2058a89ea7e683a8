"""What is asked of JAX and XLA: that programs are right, run where they should, and are soon compiled.

XLA's CPU compiler hands dots, and what surrounds them, to a library. From jaxlib 0.10.2 on, before 0.12, the
programs that come of it can be wrong without a word, or never end: products of 128 x 512 weights were off by
their own size (jax-ml/jax issues 39103 and 39257). Dots alone are right there, and as fast.
"""

import os
from importlib.metadata import version

import jax

_FLAG = "--xla_cpu_experimental_ynn_fusion_type"
_LEVEL = "xla_backend_optimization_level"
_AFFECTED = ("0.10.2", "0.12")  # the first version, and the first that is right again


def keep_right(jaxlib: str | None = None) -> None:
    """Keep XLA from what it gets wrong; to be called before JAX has touched a device.

    Args:
        jaxlib: its version; of the installed one by default.
    """
    first, mended = (_numbers(each) for each in _AFFECTED)
    flags = os.environ.get("XLA_FLAGS", "")
    if first <= _numbers(jaxlib or version("jaxlib")) < mended and _FLAG not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_FLAG}=LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT".strip()


def compute_in_place() -> None:
    """Let CPUs run a program on the thread that asks for it; to be called before JAX has touched a device.

    Left to itself JAX hands most programs to a thread of its own, which is worth waking where Python has
    something else to do meanwhile: here it waits for the block, and a small one takes less than the waking.
    """
    jax.config.update("jax_cpu_enable_async_dispatch", False)


def options(platform: str) -> dict[str, bool | int | str] | None:
    """What a program is compiled with, beside what was asked for in ``XLA_FLAGS``; None for nothing.

    LLVM's highest level takes up to half of the time that a CPU's program is compiled, unrolling what copies
    patches together, and none of ours runs faster for it: products and convolutions are libraries'.

    Args:
        platform: of the device, such as ``cpu``.
    """
    if platform != "cpu" or _LEVEL in os.environ.get("XLA_FLAGS", ""):
        return None
    return {_LEVEL: 2}


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())
