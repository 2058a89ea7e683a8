"""A stream is the whole answer in row order: the same bits, a few blocks at a time, ended when it is left."""

import asyncio
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
import pytest

from app import ArraySpec, Function
from app.engine import Engine, Problem
from app.errors import ComputeFailed, DeadlinePassed
from app.metrics import Metrics
from app.scheduler import Admission, Scheduler, Stream
from app.specs import Block, place

WAVES = Function(lambda _, x: jnp.sin(x) * x[0], ArraySpec("float32", (5,)), name="waves", version="1")


@pytest.fixture(scope="module")
def engine() -> Engine:
    engine = Engine(block_seconds=1e-9)  # blocks of one example by one
    engine.calibrate()
    return engine


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def scheduler(engine: Engine, metrics: Metrics) -> Iterator[Scheduler]:
    scheduler = Scheduler([engine], metrics, Admission(60, 1 << 30))
    yield scheduler
    assert scheduler.close(10)


def problem(engine: Engine, n1: int, n2: int | None) -> Problem:
    draw = np.random.default_rng(n1)
    arrays = {"x1": draw.random((n1, 5), dtype=np.float32)}
    if n2 is not None:
        arrays["x2"] = draw.random((n2, 5), dtype=np.float32)
    return engine.problem(WAVES, arrays)


def blocks_done(metrics: Metrics) -> float:
    lines = metrics.text().decode().splitlines()
    return float(next(line for line in lines if line.startswith("jjt_blocks_total")).split()[1])


@pytest.mark.parametrize(("n1", "n2"), [(4, 6), (5, None), (1, None)])
def test_the_blocks_are_those_of_the_whole_answer_in_row_order(
    engine: Engine, scheduler: Scheduler, n1: int, n2: int | None
) -> None:
    asked = problem(engine, n1, n2)

    async def both() -> tuple[np.ndarray, list[Block]]:
        limit = asyncio.get_running_loop().time() + 60
        with scheduler.admitted("somebody") as ticket:
            whole = await scheduler.answer(asked, "contraction", limit, ticket)
            stream = await scheduler.stream(asked, "contraction", limit, ticket)
            assert (stream.answer.shape, stream.answer.dtype) == (whole.shape, whole.dtype)
            assert (stream.answer.algorithm, stream.answer.version) == (whole.algorithm, "1")
            blocks = [block async for block in stream.blocks()]
            stream.close()
            return whole.matrix, blocks

    matrix, blocks = asyncio.run(both())
    assert len(blocks) == n1 * (n2 or n1)
    assert [block.rows for block in blocks] == sorted(block.rows for block in blocks)
    together: np.ndarray | None = None
    for block in blocks:
        together = place(block, together, asked.sizes)
    assert together is not None
    np.testing.assert_array_equal(together.reshape(matrix.shape), matrix)


async def opened(scheduler: Scheduler, asked: Problem, ticket, seconds: float = 60) -> Stream:
    return await scheduler.stream(asked, "auto", asyncio.get_running_loop().time() + seconds, ticket)


def test_nobody_waits_for_a_stream_that_waits_for_its_reader(engine: Engine, scheduler: Scheduler) -> None:
    async def read() -> tuple[float, list[float]]:
        with scheduler.admitted("somebody") as ticket:
            stream = await opened(scheduler, problem(engine, 8, 8), ticket)
            began = ticket.seconds
            meanwhile = [ticket.seconds async for _ in stream.blocks()]
            stream.close()
        return began, meanwhile

    began, meanwhile = asyncio.run(read())
    assert began > 0
    assert meanwhile == [0.0] * 64


def test_no_more_than_a_few_blocks_are_computed_that_nobody_took(
    engine: Engine, scheduler: Scheduler, metrics: Metrics
) -> None:
    async def read_slowly() -> list[float]:
        seen = []
        with scheduler.admitted("somebody") as ticket:
            stream = await opened(scheduler, problem(engine, 8, 8), ticket)
            taken = 0
            async for _ in stream.blocks():
                taken += 1
                await asyncio.sleep(0.02)
                seen.append(blocks_done(metrics) - taken)
            stream.close()
        assert taken == 64
        return seen

    assert max(asyncio.run(read_slowly())) <= 3


def test_a_stream_that_is_left_computes_no_more(
    engine: Engine, scheduler: Scheduler, metrics: Metrics
) -> None:
    async def leave() -> None:
        with scheduler.admitted("somebody") as ticket:
            stream = await opened(scheduler, problem(engine, 20, 20), ticket)
            async for _ in stream.blocks():
                break
            stream.close()

    asyncio.run(leave())
    asyncio.run(scheduler.on_device(int))
    assert blocks_done(metrics) <= 1 + 3


def test_time_that_the_reader_takes_does_not_count_and_that_of_the_device_does(
    engine: Engine, scheduler: Scheduler, metrics: Metrics
) -> None:
    async def slow_reader() -> int:
        with scheduler.admitted("somebody") as ticket:
            await scheduler.answer(
                problem(engine, 6, 2), "auto", asyncio.get_running_loop().time() + 60, ticket
            )
            stream = await opened(scheduler, problem(engine, 6, 2), ticket, seconds=2)
            taken = 0
            async for _ in stream.blocks():
                taken += 1
                await asyncio.sleep(0.3)
            stream.close()
            return taken

    async def slow_device() -> None:
        held = asyncio.Event()
        loop = asyncio.get_running_loop()
        with scheduler.admitted("somebody") as ticket:
            holding = asyncio.ensure_future(
                scheduler.on_device(lambda: asyncio.run_coroutine_threadsafe(held.wait(), loop).result())
            )
            await asyncio.sleep(0.05)
            stream = await opened(scheduler, problem(engine, 6, 2), ticket, seconds=0.3)
            with pytest.raises(DeadlinePassed):
                async for _ in stream.blocks():
                    pass
            stream.close()
            held.set()
            await holding

    assert asyncio.run(slow_reader()) == 12
    asyncio.run(slow_device())


def test_a_block_that_fails_ends_the_stream_with_an_error(
    engine: Engine, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        def __init__(self, real) -> None:
            self._real, self.done = real, 0

        @property
        def left(self) -> int:
            return self._real.left

        def dispatch(self):
            self.done += 1
            if self.done == 5:
                raise ValueError("secret")
            return self._real.dispatch()

    real = engine.execution
    monkeypatch.setattr(engine, "execution", lambda *given: Failing(real(*given)))

    async def read(taken: list[Block]) -> None:
        with scheduler.admitted("somebody") as ticket:
            stream = await opened(scheduler, problem(engine, 4, 4), ticket)
            async for block in stream.blocks():
                taken += [block]

    taken: list[Block] = []
    with pytest.raises(ComputeFailed) as raised:
        asyncio.run(read(taken))
    assert "secret" not in raised.value.detail
    assert len(taken) <= 4
