"""The one place where float64 is turned on: a function's world. Must not know what runs inside it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import jax

from app.function import Function


@contextmanager
def world(function: Function, precision: str = "highest", *, wide: bool = False) -> Iterator[None]:
    """Enter the world that a function lives in: its width of floats, and the precision of its products.

    Loading parameters, tracing, lowering, transfers and running all happen inside. Entered for float32
    functions too, so that a process in which somebody turned float64 on serves the same numbers.

    Args:
        function: its ``x64`` decides.
        precision: of matrix products that do not say themselves: ``highest``, ``high`` or ``default``.
        wide: float64 for a function that does not live in it: to recompute, never to answer.
    """
    with jax.enable_x64(function.x64 or wide), jax.default_matmul_precision(precision):
        yield


def running(function: Function) -> AbstractContextManager[None]:
    """Enter as much of a function's world as matters to what was compiled in it: its width of floats.

    Args:
        function: whose compiled program is about to run.
    """
    if jax.config.jax_enable_x64 == function.x64:  # pyright: ignore[reportAttributeAccessIssue]
        return _ENTERED
    return jax.enable_x64(function.x64)


_ENTERED = nullcontext()  # it is as it should be: entering costs as much as a small program's call
