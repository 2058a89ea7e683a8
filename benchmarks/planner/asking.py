"""A row of the grid and an engine → what each algorithm was predicted to take, and took. Judges nothing.

The planner is cold: it knows the device, and nothing of the points. All plans of a function are made before
any of them runs, and all that is held for it is dropped afterwards.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app import Function
from app.engine import ALGORITHMS, Engine, Plan, Problem
from app.errors import NotApplicable
from benchmarks.engine.holding import block_bytes, temporary_bytes
from benchmarks.measure import timed
from benchmarks.planner.grid import Row, Sizes

MOST_PREDICTED = 4.0  # seconds past which an algorithm is not tried, unless auto takes it
MOST_SECONDS = 5.0  # a first call that takes longer is the only one
TURNS = 3
TURN_SECONDS = 0.03  # in which a turn makes calls, one after another: the others' turns leave cold caches
ENOUGH_SECONDS = 3.0  # of calls that count: no more turns are made past it


@dataclass(frozen=True)
class Way:
    """One algorithm at one point.

    Args:
        algorithm: its name.
        chosen: whether ``auto`` takes it.
        refused: why it cannot be used, or empty.
        predicted_seconds: of all blocks.
        predicted_bytes: held at once.
        predicted_flops: of all blocks.
        explicit: leaves whose gradients it forms though it can do without.
        block: examples of x1 and of x2 in a block.
        blocks: number of them.
        seconds: the least of some calls, to the last block in host memory; None where it was not tried.
        calls: that counted, one after another in each of some turns.
        temporary_bytes: of the largest of its programs, by the compiler's count.
        block_bytes: of one block of the answer.
    """

    algorithm: str
    chosen: bool
    refused: str = ""
    predicted_seconds: float = 0.0
    predicted_bytes: int = 0
    predicted_flops: float = 0.0
    explicit: tuple[str, ...] = ()
    block: tuple[int, int] = (0, 0)
    blocks: int = 0
    seconds: float | None = None
    calls: int = 0
    temporary_bytes: int = 0
    block_bytes: int = 0

    @property
    def bytes(self) -> int:
        """Held at once: temporaries, and the blocks at hand: two, where there are that many."""
        return self.temporary_bytes + min(2, self.blocks) * self.block_bytes


@dataclass(frozen=True)
class Point:
    """A function at some numbers of examples, seen from a variable, and every way to its matrix."""

    title: str
    n: Sizes
    wrt: str
    k: int
    p: int
    ways: tuple[Way, ...]


@dataclass(frozen=True)
class _Asked:
    wrt: str
    n: Sizes
    problem: Problem
    auto: Plan
    plans: Mapping[str, Plan]


def measured(engine: Engine, row: Row) -> Iterator[Point]:
    """Plan all points of a function, then measure them one by one. Compiles, and runs on the device."""
    function = row.make()
    try:
        for asked in [_asked(engine, function, wrt, n) for wrt, n in row]:
            view = asked.problem.view
            yield Point(row.title, asked.n, asked.wrt, view.k, view.p, tuple(_ways(engine, asked)))
    finally:
        engine.forget(function)


def _asked(engine: Engine, function: Function, wrt: str, n: Sizes) -> _Asked:
    n1, n2 = n
    x1, x2 = engine.example(function, n1, n2 or n1, seed=1)
    arrays = {"x1": x1} if n2 is None else {"x1": x1, "x2": x2}
    problem = engine.problem(function, arrays, wrt=wrt)
    plans = {}
    for name in (each.name for each in ALGORITHMS):
        try:
            plans[name] = engine.plan(problem, name)
        except NotApplicable:
            continue
    return _Asked(wrt, n, problem, engine.plan(problem), plans)


def _ways(engine: Engine, asked: _Asked) -> Iterator[Way]:
    """All algorithms of a point; those that are tried are timed by turns."""
    auto = asked.auto
    tried = {
        name: plan
        for name, plan in asked.plans.items()
        if plan.seconds < MOST_PREDICTED or name == auto.algorithm
    }
    times = _times(engine, asked.problem, tried)
    for candidate in auto.candidates:
        name = candidate.algorithm
        if name not in asked.plans:
            yield Way(name, chosen=False, refused=candidate.refused)
            continue
        yield _way(engine, asked.plans[name], times.get(name, []), chosen=name == auto.algorithm)


def _times(engine: Engine, problem: Problem, plans: Mapping[str, Plan]) -> dict[str, list[float]]:
    """Seconds of each call that counts, by turns after a first call of each."""
    times = {}
    for name, plan in plans.items():
        engine.prepare(plan)
        engine.execute(plan, problem)  # what an algorithm keeps is made here, and no block is
        first = timed(lambda plan=plan: list(engine.execute(plan, problem)))
        times[name] = [first] if first > MOST_SECONDS else []
    repeated = [name for name, seconds in times.items() if not seconds]
    for _ in range(TURNS):
        for name in [name for name in repeated if sum(times[name]) < ENOUGH_SECONDS]:
            until = time.perf_counter() + TURN_SECONDS
            while True:
                times[name].append(timed(lambda name=name: list(engine.execute(plans[name], problem))))
                if time.perf_counter() > until:
                    break
    return times


def _way(engine: Engine, plan: Plan, times: list[float], *, chosen: bool) -> Way:
    candidate, tiling = plan.chosen, plan.tiling
    assert candidate is not None
    return Way(
        candidate.algorithm,
        chosen,
        "",
        candidate.seconds,
        candidate.bytes,
        candidate.flops,
        candidate.explicit,
        (tiling.rows, tiling.columns),
        plan.blocks,
        min(times, default=None),
        len(times),
        temporary_bytes(engine, plan) if times else 0,
        block_bytes(plan),
    )
