"""Plan + Problem → blocks, dispatched one after another on the thread that owns the device.

A block is dispatched, and later landed; who does it keeps at most one in flight ahead of the one that it
awaits, so that a device never idles between blocks and a computation that nobody wants any more stops within
two. Blocks of several problems can be stacked and dispatched as one.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, NamedTuple

import numpy as np
from jax import Array
from jax.errors import JaxRuntimeError

from app.engine import aligned
from app.engine.compiled import Executables, Tile
from app.engine.planner import Plan
from app.engine.problem import Problem, Side
from app.engine.tiling import Tiling
from app.engine.worlds import running
from app.errors import OutOfMemory
from app.specs import Block

Range = tuple[int, int]
Order = Literal["computed", "rows"]
Observe = Callable[[Tile, float], None]
Sides = tuple[list[np.ndarray], list[np.ndarray] | None]  # examples of x1, and of x2 unless it is x1
_AWAITED = 0.5  # the part of its time for which a block has to be awaited, for that time to mean something


class Step(NamedTuple):
    """One block of a plan.

    Args:
        rows: range of examples of x1.
        columns: range of examples of x2.
        as_it_is: whether the block itself is wanted.
        mirrored: whether its mirror is, at ``(columns, rows)``.
    """

    rows: Range
    columns: Range
    as_it_is: bool = True
    mirrored: bool = False


def steps(cut: Tiling, order: Order) -> Iterator[Step]:
    """The blocks to compute: each once, or in row order.

    Args:
        cut: how the matrix is cut.
        order: ``computed`` leaves out those whose mirror is computed, and wants both of it; with ``rows``
            all blocks of a row come before those of the next, and the ones below the diagonal of a symmetric
            answer are computed again, as mirrors: full work, the same bits.
    """
    if order == "computed" or not cut.symmetric:
        for rows, columns in cut:
            yield Step(rows, columns, mirrored=cut.symmetric and rows != columns)
        return
    sides = list(dict.fromkeys(rows for rows, _ in cut))
    for i, rows in enumerate(sides):
        for above in sides[:i]:
            yield Step(above, rows, as_it_is=False, mirrored=True)
        for columns in sides[i:]:
            yield Step(rows, columns)


def only_step(cut: Tiling) -> Step:
    """The one step of a matrix that is one block."""
    return Step((0, cut.n1), (0, cut.n2))


def number(cut: Tiling, order: Order) -> int:
    """How many ``steps`` there are."""
    return cut.down * cut.across if order == "rows" else cut.diagonal + cut.others


@dataclass(frozen=True)
class Flight:
    """A block on its way, or one of each of some problems.

    Args:
        tile: what computes it.
        array: where it will be; of a stack ``[problems, rows, k, columns, k]``.
        step: which block it is; for a stack one for each problem.
        dispatched: when that began, on the clock of ``time.perf_counter``.
        handed: when it was done: at once, or, where programs run in place, when the block was there.
    """

    tile: Tile
    array: Array
    steps: tuple[Step, ...]
    dispatched: float
    handed: float

    def land(
        self, idle: float, observe: Observe, resumed: float | None = None
    ) -> tuple[list[list[Block]], float]:
        """Await it, cut the padding off, and mirror it where that is wanted.

        Args:
            idle: when the flight before it landed.
            observe: is told how long it took, where that can be told.
            resumed: since when nothing was done but to begin the next; from now on by default.

        Returns:
            The blocks of each problem, and the seconds that it had the device.

        Raises:
            OutOfMemory: where the device had no room for it.
        """
        awaited = resumed or time.perf_counter()
        with _memory_named:
            whole = np.asarray(self.array)
        landed = time.perf_counter()
        seconds = landed - max(self.dispatched, idle)
        # Where something else was done meanwhile, it may have been there long ago: that says nothing.
        if landed - awaited + self.handed - self.dispatched > _AWAITED * seconds:
            observe(self.tile, seconds)
        stacked = whole if self.tile.stack else whole[None]
        return [_cut(one, step) for one, step in zip(stacked, self.steps, strict=True)], seconds


class Execution:
    """The blocks of a plan that were not dispatched yet.

    Args:
        plan: made for this problem.
        problem: the arrays.
        executables: where the compiled tiles are.
        params: the arrays of the parameters, on the device.
        order: in which blocks are computed.

    Attributes:
        left: number of blocks that were not dispatched.
    """

    def __init__(
        self,
        plan: Plan,
        problem: Problem,
        executables: Executables,
        params: Sequence[Array],
        order: Order = "computed",
    ) -> None:
        self._plan, self._problem = plan, problem
        self._executables, self._params = executables, params
        if plan.blocks == 1:
            self._steps, self.left = iter((only_step(plan.tiling),)), 1
        else:
            self._steps, self.left = steps(plan.tiling, order), number(plan.tiling, order)

    def dispatch(self) -> Flight:
        """Start the next block; there has to be one.

        Raises:
            OutOfMemory: where the device has no room for it.
        """
        started, step = time.perf_counter(), next(self._steps)
        self.left -= 1
        tile = _tile(self._plan, step)
        sides = _sides(self._plan, self._problem, step)
        return _dispatched(self._executables, self._params, self._problem, tile, sides, (step,), started)


def dispatch_stack(
    stacked: Sequence[tuple[Plan, Problem]], executables: Executables, params: Sequence[Array]
) -> Flight:
    """Start the only blocks of some problems as one, on a new leading axis.

    Args:
        stacked: problems of one view, and their plans, of one block and the same tile.
        executables: where the compiled stack is.
        params: the arrays of the parameters, on the device.

    Raises:
        OutOfMemory: where the device has no room for it.
    """
    started, (plan, problem) = time.perf_counter(), stacked[0]
    steps = tuple([only_step(each.tiling) for each, _ in stacked])
    sides = [_sides(*each, step) for each, step in zip(stacked, steps, strict=True)]
    x1 = _stack([each for each, _ in sides])
    x2 = None if sides[0][1] is None else _stack([each or [] for _, each in sides])
    tile = _tile(plan, steps[0]).stacked(len(stacked))
    return _dispatched(executables, params, problem, tile, (x1, x2), steps, started)


def execute(execution: Execution, observe: Observe, ahead: bool) -> Iterator[Block]:
    """Compute blocks; together they cover the matrix, each entry once.

    Args:
        execution: of which nothing was dispatched.
        observe: is told what blocks took.
        ahead: whether one is dispatched before the one before it is awaited.

    Yields:
        Blocks in row order; of a symmetric answer each block off the diagonal is followed by its mirror.
    """
    idle, flight = time.perf_counter(), execution.dispatch()
    while flight is not None:
        resumed = time.perf_counter()
        following = execution.dispatch() if ahead and execution.left else None
        (blocks,), _ = flight.land(idle, observe, resumed)
        idle = time.perf_counter()
        yield from blocks
        flight = execution.dispatch() if following is None and execution.left else following


def _on_diagonal(cut: Tiling, step: Step) -> bool:
    return cut.symmetric and step.rows == step.columns


def _tile(plan: Plan, step: Step) -> Tile:
    tile = plan.diagonal if _on_diagonal(plan.tiling, step) else plan.tile
    assert tile is not None
    return tile


def _sides(plan: Plan, problem: Problem, step: Step) -> Sides:
    """The examples of a block."""
    cut = plan.tiling
    x1 = _slice(problem.left, step.rows, cut.rows)
    if _on_diagonal(cut, step):
        return x1, None
    return x1, _slice(problem.right or problem.left, step.columns, cut.columns)


def _dispatched(
    executables: Executables,
    params: Sequence[Array],
    problem: Problem,
    tile: Tile,
    sides: Sides,
    steps: tuple[Step, ...],
    started: float,
) -> Flight:
    executable = executables.get(tile)
    with running(problem.function), _memory_named:
        array = executable.run(params, *sides)
    return Flight(tile, array, steps, started, time.perf_counter())


def _stack(sides: list[list[np.ndarray]]) -> list[np.ndarray]:
    return [aligned.stack(leaves) for leaves in zip(*sides, strict=True)]


def _slice(side: Side, rows: Range, size: int) -> list[np.ndarray]:
    """Some examples, padded to a size by the last of them."""
    start, stop = rows
    if stop - start == size == side.n:
        return list(side.leaves)
    missing = size - (stop - start)
    leaves = [leaf[start:stop] for leaf in side.leaves]
    if missing:
        leaves = [np.concatenate([leaf, np.repeat(leaf[-1:], missing, axis=0)]) for leaf in leaves]
    return leaves


def _cut(whole: np.ndarray, step: Step) -> list[Block]:
    rows, columns = step.rows, step.columns
    n1, n2 = rows[1] - rows[0], columns[1] - columns[0]
    array = whole if whole.shape[::2] == (n1, n2) else whole[:n1, :, :n2, :]
    blocks = [Block(rows, columns, array)] if step.as_it_is else []
    if step.mirrored:
        blocks.append(Block(columns, rows, array.transpose(2, 3, 0, 1)))
    return blocks


class _MemoryNamed:
    """Calls a device that has no room what it is."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        """End."""
        if isinstance(error, JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error):
            raise OutOfMemory(
                "the device has no room for a block of this computation; "
                "ask for fewer examples at a time, or lower JJT_MEMORY_BYTES"
            ) from error


_memory_named = _MemoryNamed()
