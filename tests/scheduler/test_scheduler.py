"""Problems become answers block by block; deadlines, departures and failures stop the pulling."""

import asyncio
import threading
import time
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
import pytest

from app import ArraySpec, Function
from app.engine import Engine, Plan, Problem
from app.errors import ComputeFailed, DeadlinePassed, NotApplicable, SpecMismatch
from app.metrics import Metrics
from app.scheduler import Scheduler
from app.specs import Answer, Block

WAVES = Function(lambda _, x: jnp.sin(x) * x[0], ArraySpec("float32", (5,)), name="waves", version="1")
N1, N2 = 7, 11


class Pulled(Engine):
    """An engine that notes each block as it is pulled, and can be told to fail or to dawdle at one."""

    def __init__(self) -> None:
        super().__init__()
        self.pulls: list[int] = []
        self.closed: list[str] = []
        self.fails_at: dict[int, BaseException] = {}
        self.seconds = 0.0

    def execute(self, plan: Plan, problem: Problem) -> Iterator[Block]:
        whole = np.concatenate([block.array for block in super().execute(plan, problem)])
        try:
            for row in range(problem.n1):
                self.pulls.append(problem.n2)
                if row in self.fails_at:
                    raise self.fails_at[row]
                time.sleep(self.seconds)
                yield Block((row, row + 1), (0, problem.n2), whole[row : row + 1])
        finally:
            self.closed.append(threading.current_thread().name)


@pytest.fixture(scope="module")
def warm() -> Pulled:
    engine = Pulled()
    engine.calibrate()
    return engine


@pytest.fixture
def engine(warm: Pulled) -> Pulled:
    warm.pulls, warm.closed, warm.fails_at, warm.seconds = [], [], {}, 0.0
    return warm


@pytest.fixture
def scheduler(engine: Pulled) -> Iterator[Scheduler]:
    scheduler = Scheduler(engine, Metrics())
    yield scheduler
    assert scheduler.close(10)


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
    scheduler: Scheduler, asked: Problem, seconds: float = 60, algorithm: str = "auto"
) -> Answer:
    return await scheduler.answer(asked, algorithm, asyncio.get_running_loop().time() + seconds)


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
    settle(scheduler)
    assert engine.closed == ["jjt-device"]


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
    engine.closed.clear()
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
    assert engine.closed == ["jjt-device"]


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
    scheduler = Scheduler(engine, metrics)
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
        answering = asyncio.create_task(scheduler.answer(problem(engine), "auto", loop.time() + 60))
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
