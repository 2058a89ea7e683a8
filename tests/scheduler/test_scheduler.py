"""Problems become answers block by block; deadlines, departures and failures stop the pulling."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from app import ArraySpec, Function
from app.engine import Engine, Order, Plan, Problem
from app.errors import ComputeFailed, DeadlinePassed, NotApplicable, QueueFull, SpecMismatch
from app.metrics import Metrics
from app.scheduler import Admission, Scheduler
from app.specs import Answer, Block

WAVES = Function(lambda _, x: jnp.sin(x) * x[0], ArraySpec("float32", (5,)), name="waves", version="1")
N1, N2 = 7, 11


class Row:
    """One row of a matrix in flight; lands when its time has passed."""

    def __init__(self, engine: "Pulled", matrix: np.ndarray, row: int) -> None:
        self._engine, self._matrix, self._row = engine, matrix, row

    def land(
        self, idle: float, observe: object, resumed: float | None = None
    ) -> tuple[list[list[Block]], float]:
        time.sleep(self._engine.seconds)
        self._engine.landed += 1
        n2 = self._matrix.shape[2]
        block = Block((self._row, self._row + 1), (0, n2), self._matrix[self._row : self._row + 1])
        return [[block]], self._engine.seconds


class Rows:
    """The rows of a matrix as blocks, dispatched one by one; notes each, and can fail at one."""

    def __init__(self, engine: "Pulled", plan: Plan, problem: Problem) -> None:
        self._engine = engine
        self._matrix = np.concatenate([block.array for block in engine.execute(plan, problem)])
        self.left = problem.n1

    def dispatch(self) -> Row:
        row = len(self._matrix) - self.left
        self.left -= 1
        self._engine.pulls.append(self._matrix.shape[2])
        self._engine.threads.add(threading.current_thread().name)
        if row in self._engine.fails_at:
            raise self._engine.fails_at[row]
        return Row(self._engine, self._matrix, row)


class Pulled(Engine):
    """An engine that notes each block as it is begun, and can be told to fail or to dawdle."""

    def __init__(self) -> None:
        super().__init__()
        self.computes_aside = True
        self.reset()

    def reset(self) -> None:
        self.pulls: list[int] = []
        self.landed = 0
        self.threads: set[str] = set()
        self.fails_at: dict[int, BaseException] = {}
        self.seconds = 0.0
        self._by_rows = True

    def execution(self, plan: Plan, problem: Problem, order: Order = "computed") -> Any:
        if not self._by_rows:
            return super().execution(plan, problem, order)
        self._by_rows = False
        try:
            return Rows(self, plan, problem)
        finally:
            self._by_rows = True


@pytest.fixture(scope="module")
def warm() -> Pulled:
    engine = Pulled()
    engine.calibrate()
    return engine


@pytest.fixture
def engine(warm: Pulled) -> Pulled:
    warm.reset()
    return warm


@pytest.fixture
def scheduler(engine: Pulled) -> Iterator[Scheduler]:
    scheduler = made(engine)
    yield scheduler
    assert scheduler.close(10)


def made(
    engine: Engine, metrics: Metrics | None = None, seconds: float = 60, nbytes: int = 1 << 30
) -> Scheduler:
    # Its rows are no plan's blocks: what it is predicted to take says nothing.
    return Scheduler([engine], metrics or Metrics(), Admission(seconds, nbytes), light_seconds=0)


def problem(engine: Engine, n1: int = N1, n2: int = N2) -> Problem:
    random = np.random.default_rng(n1 * n2)
    return engine.problem(
        WAVES,
        {
            "x1": random.random((n1, 5), dtype=np.float32),
            "x2": random.random((n2, 5), dtype=np.float32),
        },
    )


async def answer(
    scheduler: Scheduler,
    asked: Problem,
    seconds: float = 60,
    algorithm: str = "auto",
    client: str = "somebody",
) -> Answer:
    with scheduler.admitted(client) as ticket:
        return await scheduler.answer(asked, algorithm, asyncio.get_running_loop().time() + seconds, ticket)


def settle(scheduler: Scheduler) -> None:
    """Wait until the device lane has done all that was asked of it so far."""
    asyncio.run(scheduler.on_device(int))


def test_the_blocks_of_an_answer_are_the_matrix(engine: Pulled, scheduler: Scheduler) -> None:
    asked = problem(engine)
    found = asyncio.run(answer(scheduler, asked))
    left, right = (
        np.stack(
            [
                np.diag(np.cos(x) * x[0]) + np.outer(np.sin(x), np.eye(5)[0])
                for x in side.leaves[0].astype(float)
            ]
        )
        for side in (asked.left, asked.right or asked.left)
    )
    np.testing.assert_allclose(found.matrix, np.einsum("iaq,jbq->iajb", left, right), rtol=1e-5, atol=1e-5)
    assert (found.function, found.version, found.shape) == ("waves", "1", (N1, 5, N2, 5))
    assert found.algorithm != "auto"
    assert found.times.compute > 0
    assert len(engine.pulls) == N1
    assert engine.threads == {"jjt-device-0"}


def test_compiling_is_timed_once(engine: Pulled, scheduler: Scheduler) -> None:
    engine.forget(WAVES)
    first, second = (asyncio.run(answer(scheduler, problem(engine))) for _ in range(2))
    assert first.times.compile > 0
    assert second.times.compile == 0


def test_what_is_compiled_passes_by_those_who_wait_for_the_compiler(
    engine: Pulled, scheduler: Scheduler
) -> None:
    asyncio.run(answer(scheduler, problem(engine)))

    async def beside_a_compilation() -> float:
        compiling = asyncio.ensure_future(scheduler.on_compiler(time.sleep, 2))
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        await answer(scheduler, problem(engine))
        seconds = time.perf_counter() - began
        assert not compiling.done()
        await compiling
        return seconds

    assert asyncio.run(beside_a_compilation()) < 1.5


def test_two_clients_take_turns_block_by_block(engine: Pulled, scheduler: Scheduler) -> None:
    engine.seconds = 0.01

    async def both() -> None:
        await asyncio.gather(
            answer(scheduler, problem(engine, 20, 3)), answer(scheduler, problem(engine, 20, 2))
        )

    asyncio.run(both())
    engine.pulls.clear()
    asyncio.run(both())  # both plans are compiled by now
    changes = sum(one != other for one, other in zip(engine.pulls, engine.pulls[1:], strict=False))
    assert changes >= 30, engine.pulls


def test_a_deadline_is_kept_and_stops_the_pulling(engine: Pulled, scheduler: Scheduler) -> None:
    asyncio.run(answer(scheduler, problem(engine, 40)))
    settle(scheduler)
    engine.pulls.clear()
    engine.seconds = 0.05

    async def too_late() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(DeadlinePassed):
            await answer(scheduler, problem(engine, 40), seconds=0.3)
        return loop.time() - began

    assert asyncio.run(too_late()) == pytest.approx(0.3, abs=0.15)
    settle(scheduler)
    assert 1 <= len(engine.pulls) <= 8


def test_an_answer_that_nobody_awaits_is_pulled_no_further(engine: Pulled, scheduler: Scheduler) -> None:
    asyncio.run(answer(scheduler, problem(engine, 40)))
    engine.pulls.clear()
    engine.seconds = 0.02

    async def leave() -> None:
        task = asyncio.ensure_future(answer(scheduler, problem(engine, 40)))
        while len(engine.pulls) < 3:  # noqa: ASYNC110 - the blocks come from another thread
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    settle(scheduler)
    assert len(engine.pulls) <= 5


@pytest.mark.parametrize("error", [ValueError("secret"), TimeoutError("secret"), SystemExit("secret")])
def test_what_the_engine_raises_is_compute_failed_without_its_words(
    engine: Pulled, scheduler: Scheduler, error: BaseException
) -> None:
    engine.fails_at = {2: error}
    with pytest.raises(ComputeFailed) as raised:
        asyncio.run(answer(scheduler, problem(engine)))
    assert "secret" not in raised.value.detail
    engine.fails_at = {}
    assert asyncio.run(answer(scheduler, problem(engine))).matrix.shape == (N1, 5, N2, 5)


def test_errors_that_say_what_they_are_pass_unchanged(engine: Pulled, scheduler: Scheduler) -> None:
    engine.fails_at = {2: SpecMismatch("said by the engine")}
    with pytest.raises(SpecMismatch, match="said by the engine"):
        asyncio.run(answer(scheduler, problem(engine)))
    with pytest.raises(NotApplicable):
        asyncio.run(answer(scheduler, problem(engine), algorithm="no_such"))


def test_blocks_and_compilations_are_counted(engine: Pulled) -> None:
    metrics = Metrics()
    scheduler = made(engine, metrics)
    engine.forget(WAVES)
    asyncio.run(answer(scheduler, problem(engine)))
    asyncio.run(answer(scheduler, problem(engine)))
    assert scheduler.close(10)
    text = metrics.text().decode()
    assert f"jjt_blocks_total {2.0 * N1}" in text
    assert "jjt_compiles_total 1.0" in text


def test_a_pause_is_waited_for_while_somebody_waits_for_an_answer(engine, scheduler) -> None:
    engine.seconds = 0.05

    async def run() -> tuple[float, float, float]:
        loop = asyncio.get_running_loop()
        answering = asyncio.create_task(answer(scheduler, problem(engine)))
        await asyncio.sleep(0)
        began = loop.time()
        await scheduler.idle(0.1, most=0.02)
        impatient = loop.time() - began
        assert not answering.done()
        await scheduler.idle(0.1, most=60)
        assert answering.done()
        after = loop.time()
        await scheduler.idle(0.1, most=60)
        return impatient, after - began, loop.time() - after

    impatient, patient, at_once = asyncio.run(run())
    assert impatient >= 0.02
    assert patient >= N1 * engine.seconds + 0.1
    assert at_once < 0.1


def test_what_has_not_begun_after_as_long_as_it_may_wait_is_refused(engine: Pulled) -> None:
    metrics = Metrics()
    scheduler = made(engine, metrics, seconds=0.3)
    asyncio.run(answer(scheduler, problem(engine)))
    engine.pulls.clear()

    async def wait() -> float:
        held, loop = threading.Event(), asyncio.get_running_loop()
        holding = asyncio.ensure_future(scheduler.on_device(held.wait, 30))
        await asyncio.sleep(0.05)
        began = loop.time()
        with pytest.raises(QueueFull) as refused:
            await answer(scheduler, problem(engine))
        assert refused.value.fields["retry_after_seconds"] == 1
        seconds = loop.time() - began
        held.set()
        await holding
        return seconds

    assert asyncio.run(wait()) == pytest.approx(0.3 + engine.block_seconds, abs=0.15)
    assert engine.pulls == []
    assert 'jjt_refused_total{code="queue_full"} 1.0' in metrics.text().decode()
    engine.seconds = 0.1  # what has begun in time may take longer
    assert asyncio.run(answer(scheduler, problem(engine))).matrix.shape == (N1, 5, N2, 5)
    assert scheduler.close(10)
