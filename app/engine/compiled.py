"""A kernel and the shapes of a block → an executable, compiled ahead of time. Their number is bounded."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import jax
from jax import Array, ShapeDtypeStruct

from app.engine.algorithms import Algorithm
from app.engine.compilers import options
from app.engine.devices import Device
from app.engine.recent import Recent
from app.engine.simplified import bodies_of
from app.engine.view import View
from app.engine.worlds import world
from app.errors import NotApplicable

# What a function that an algorithm cannot differentiate raises, by package.
CANNOT = (TypeError, ValueError, NotImplementedError)


@dataclass(frozen=True)
class Tile:
    """What is compiled: a view, an algorithm, and the sizes of one block.

    Args:
        view: the function seen from its variable.
        algorithm: how.
        rows: examples of x1 in a block.
        columns: examples of x2, or None for a block on the diagonal of a symmetric answer.
        chunk: rows or columns of J that the algorithm holds at a time.
        stack: blocks of as many requests, on a leading axis of the examples and of the block; 0 for one
            block without that axis.
    """

    view: View
    algorithm: Algorithm
    rows: int
    columns: int | None
    chunk: int
    stack: int = 0

    @cached_property
    def _hash(self) -> int:
        return hash((self.view, self.algorithm, self.rows, self.columns, self.chunk, self.stack))

    def __hash__(self) -> int:
        return self._hash  # computed once: tiles are looked up with every block

    def stacked(self, n: int) -> "Tile":
        """What computes this block for n requests at once."""
        return replace(self, stack=n)

    def traced(self) -> Any:
        """The jaxpr of the kernel. Raises ``NotApplicable``, with the reason."""
        return self._prepare(lambda kernel, arguments: jax.make_jaxpr(kernel)(*arguments))

    def lowered(self) -> tuple[Any, bool]:
        """The lowered program, and whether it calls the host.

        Raises:
            NotApplicable: some functions refuse only here.
        """

        def lower(kernel: Any, arguments: tuple[Any, ...]) -> tuple[Any, bool]:
            traced = jax.jit(kernel, keep_unused=True).trace(*arguments)
            return traced.lower(), _calls_host(traced.jaxpr.jaxpr)

        return self._prepare(lower)

    def _prepare(self, how: Callable[[Any, tuple[Any, ...]], Any]) -> Any:
        signature = self.view.signature
        x1 = self._examples(self.rows)
        x2 = None if self.columns is None else self._examples(self.columns)
        with world(signature.function, self.view.precision):
            try:
                kernel = self.algorithm.kernel(self.view, self.chunk)
                if self.stack:
                    kernel = jax.vmap(kernel, in_axes=(None, 0, 0))
                params = [*signature.param_avals, *(each.aval for each in self.algorithm.kept(self.view))]
                return how(kernel, (params, x1, x2))
            except CANNOT as error:
                reason = str(error).strip().partition("\n")[0] or type(error).__name__
                raise NotApplicable(
                    f"{self.algorithm.name} cannot do {signature.function.name}: {reason}"
                ) from error

    def _examples(self, n: int) -> list[ShapeDtypeStruct]:
        heads = (self.stack, n) if self.stack else (n,)
        return [ShapeDtypeStruct((*heads, *aval.shape), aval.dtype) for aval in self.view.signature.x_avals]


@dataclass(frozen=True)
class Executable:
    """A compiled tile.

    Args:
        tile: what it computes.
        run: ``(params, x1, x2) -> block``.
        temporary_bytes: that it needs beside its arguments and the block.
        calls_host: whether it calls Python while it runs, which takes as long as that takes.
    """

    tile: Tile
    run: Callable[[Any, Any, Any], Array]
    temporary_bytes: int
    calls_host: bool


class Executables(Recent[Tile, Executable]):
    """Compiled tiles, the least recently used of them dropped past a bound.

    Args:
        most: that are kept.
        device: that they run on; the default one by default.
    """

    def __init__(self, most: int, device: Device | None = None) -> None:
        super().__init__(partial(_compile, device), most, lambda tile: tile.view.signature.function)


def compile_seconds(executables: Executables, tiles: Sequence[Tile]) -> float:
    """Compile what is missing of some tiles; seconds that it took, 0 where nothing was missing."""
    missing = [tile for tile in tiles if tile not in executables]
    if not missing:
        return 0.0
    start = time.perf_counter()
    for tile in missing:
        executables.get(tile)
    return time.perf_counter() - start


def _compile(device: Device | None, tile: Tile) -> Executable:
    with jax.default_device(device):
        lowered, calls_host = tile.lowered()
    with world(tile.view.signature.function, tile.view.precision):
        compiled = lowered.compile(options((device or jax.devices()[0]).platform))
    analysis = compiled.memory_analysis()
    return Executable(tile, compiled, int(getattr(analysis, "temp_size_in_bytes", 0) or 0), calls_host)


def _calls_host(jaxpr: Any) -> bool:
    """Whether an open jaxpr, or one within it, has a callback."""
    return any(
        "callback" in equation.primitive.name or any(map(_calls_host, bodies_of(equation)))
        for equation in jaxpr.eqns
    )
