"""Plan + Problem → an iterator of blocks, pulled one at a time on the thread that owns the device.

At most one block is computed ahead of the one that is awaited, so that a device never idles between blocks
and a computation that nobody pulls any more stops within two.
"""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import jax
import numpy as np
from jax import Array

from app.engine.compiled import Executables, Tile
from app.engine.planner import Plan
from app.engine.problem import Problem, Side
from app.engine.worlds import world
from app.specs import Block

Range = tuple[int, int]
_AWAITED = 0.5  # the part of its time for which a block has to be awaited, for that time to mean something


@dataclass(frozen=True)
class _Pending:
    rows: Range
    columns: Range
    tile: Tile
    array: Array
    dispatched: float


def execute(
    plan: Plan,
    problem: Problem,
    executables: Executables,
    params: list[Array],
    observe: Callable[[Tile, float], None],
) -> Iterator[Block]:
    """Compute the blocks of a plan; together they cover the matrix, each entry once.

    Args:
        plan: made for this problem.
        problem: the arrays.
        executables: where the compiled tiles are.
        params: the arrays of the parameters, on the device.
        observe: is told the tile and the seconds of each block.

    Yields:
        Blocks in row order; of a symmetric answer each block off the diagonal is followed by its mirror.
    """
    pending: _Pending | None = None
    idle = resumed = time.perf_counter()
    for rows, columns in plan.tiling:
        ahead = _dispatch(plan, problem, executables, params, rows, columns)
        if pending is not None:
            idle = yield from _arrived(pending, plan, observe, idle, resumed)
            resumed = time.perf_counter()
        pending = ahead
    if pending is not None:
        yield from _arrived(pending, plan, observe, idle, resumed)


def _dispatch(
    plan: Plan, problem: Problem, executables: Executables, params: list[Array], rows: Range, columns: Range
) -> _Pending:
    started = time.perf_counter()
    on_diagonal = plan.tiling.symmetric and rows == columns
    tile = plan.diagonal if on_diagonal else plan.tile
    assert tile is not None
    executable = executables.get(tile)
    with world(problem.function, problem.precision):
        x1 = _slice(problem.left, rows, plan.tiling.rows)
        x2 = None if on_diagonal else _slice(problem.right or problem.left, columns, plan.tiling.columns)
        return _Pending(rows, columns, tile, executable.run(params, x1, x2), started)


def _slice(side: Side, rows: Range, size: int) -> list[Array]:
    """Some examples on the device, padded to a size by the last of them."""
    start, stop = rows
    missing = size - (stop - start)
    leaves = [leaf[start:stop] for leaf in side.leaves]
    if missing:
        leaves = [np.concatenate([leaf, np.repeat(leaf[-1:], missing, axis=0)]) for leaf in leaves]
    return [jax.device_put(leaf) for leaf in leaves]


def _arrived(
    pending: _Pending, plan: Plan, observe: Callable[[Tile, float], None], idle: float, resumed: float
) -> Generator[Block, None, float]:
    """Await a block, cut the padding off, and mirror it where that is a block of its own.

    Args:
        pending: what is awaited.
        plan: that it is of.
        observe: is told how long it took, where that can be told.
        idle: when the block before it arrived.
        resumed: since when nobody else had a turn.

    Returns:
        When it arrived.
    """
    whole = np.asarray(pending.array)
    arrived = time.perf_counter()
    seconds = arrived - max(pending.dispatched, idle)
    # Where others had a turn meanwhile, the device may have been done long ago: that says nothing.
    if arrived - resumed > _AWAITED * seconds:
        observe(pending.tile, seconds)
    rows, columns = pending.rows, pending.columns
    array = whole[: rows[1] - rows[0], :, : columns[1] - columns[0], :]
    yield Block(rows, columns, array)
    if plan.tiling.symmetric and rows != columns:
        yield Block(columns, rows, array.transpose(2, 3, 0, 1))
    return arrived
