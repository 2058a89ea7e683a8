"""What takes less time than waking a thread is computed by whoever asks for it, and only that."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from app import ArraySpec, Function
from app.engine import Engine, Problem
from app.metrics import Metrics
from app.scheduler import Admission, Lane, Scheduler
from app.scheduler.pace import Pace
from app.specs import Answer
from tests.engine.ask import ask
from tests.scheduler.test_batches import answered, problems

WAVES = Function(lambda _, x: jnp.sin(x), ArraySpec("float32", (4,)), name="waves", version="1")
SEEN: list[str] = []


def _seen(x: np.ndarray) -> np.ndarray:
    SEEN.append(threading.current_thread().name)
    return x


def _watched(_: Any, x: jax.Array) -> jax.Array:
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    seen = jax.pure_callback(_seen, shape, jax.lax.stop_gradient(x), vmap_method="broadcast_all")
    return x * seen


WATCHED = Function(_watched, ArraySpec("float32", (4,)), name="watched", version="1")


class Watched(Engine):
    """An engine that notes on which threads blocks begin."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[str] = []

    def execution(self, *args: Any, **kwargs: Any) -> Any:
        self.threads.append(threading.current_thread().name)
        return super().execution(*args, **kwargs)


@pytest.fixture(scope="module")
def engine() -> Watched:
    engine = Watched()
    engine.calibrate()
    return engine


@pytest.fixture
def scheduler(engine: Engine) -> Iterator[Scheduler]:
    scheduler = Scheduler([engine], Metrics(), Admission(60, 1 << 30), light_seconds=60)
    yield scheduler
    assert scheduler.close(10)


def problem(engine: Engine, function: Function, seed: int = 0) -> Problem:
    return problems(engine, function, seed + 1)[seed]


async def in_turn(scheduler: Scheduler, asked: list[Problem]) -> list[Answer]:
    answers = []
    for each in asked:
        answers.append(await answered(scheduler, each))
        await asyncio.sleep(0.2)  # in which a thread that took part finds that nothing is left to do
    return answers


def pace_in(scheduler: Scheduler, engine: Engine, asked: Problem) -> Pace:
    return scheduler._devices[0].pace(engine.plan(asked).tiles[0])


async def at_once(scheduler: Scheduler, asked: list[Problem]) -> list[Answer]:
    return await asyncio.gather(*(answered(scheduler, each) for each in asked))


def pace_of(seconds: float) -> Pace:
    pace = Pace(1e-3, lambda: False)
    pace.note(seconds, predicted=1.0, aside=False)
    return pace


def test_how_many_go_together_is_hoped_for_and_then_seen() -> None:
    assert pace_of(1e-4).most(here=True) == 64, "as one they are hoped to take 1.6 ms"
    pace = pace_of(4e-4)
    assert pace.most(here=True) == 16, "64 would take 6.4 ms, and 3 are allowed"
    pace.note_as_one(16, 4e-4)
    assert pace.most(here=True) == 64, "16 took as long as one"
    pace.note_as_one(64, 9e-3)
    assert pace.most(here=True) == 16, "64 took too long"
    assert pace.most(here=False) == 64, "which nobody else minds on another thread"
    for _ in range(60):
        pace.note_as_one(16, 4e-4)
    assert pace.most(here=True) == 64, "it is tried again"


@pytest.mark.parametrize("here", [False, True])
def test_what_takes_longer_as_one_than_one_by_one_goes_alone_for_a_while(here: bool) -> None:
    pace = pace_of(1e-4)
    pace.note_as_one(16, 6e-4)
    assert pace.most(here) == 64
    pace.note_as_one(16, 1.0)  # an accident: a tenth more is believed
    assert pace.most(here) == 64
    for _ in range(12):
        pace.note_as_one(16, 2e-3)
    assert pace.most(here) == 8
    for _ in range(6):
        pace.note_as_one(8, 2e-3)
    assert pace.most(here) == 4
    pace.note_as_one(4, 1e-3)  # a program's first run is longer than others
    assert pace.most(here) == 4
    pace.note_as_one(4, 1e-3)
    assert pace.most(here) == 4
    pace.note_as_one(4, 1e-3)
    assert pace.most(here) == 1
    for _ in range(20):
        pace.note(1e-4, predicted=1.0, aside=False)
    assert pace.most(here) > 1


def stepped(_: Any, x: jax.Array) -> jax.Array:
    return jax.lax.fori_loop(0, 50_000, lambda _, y: jnp.sin(y), x[:4])


def test_a_cpu_computes_on_the_thread_that_asks(engine: Watched) -> None:
    """What was dispatched is there: nothing is left to be waited for, and no other thread to be woken."""
    function = Function(stepped, ArraySpec("float32", (4,)), name="stepped", version="1")
    one = np.ones((1, 4), np.float32)
    asked = engine.problem(function, {"x1": one, "x2": one})
    plan = engine.plan(asked, "forward")
    engine.prepare(plan)
    flight = engine.execution(plan, asked).dispatch()
    assert flight.array.is_ready()
    assert flight.handed - flight.dispatched > 1e-3


def test_a_cpu_does_not_copy_large_stacks_aside(engine: Watched) -> None:
    function = Function(stepped, ArraySpec("float32", (20_000,)), name="stepped", version="1")
    one = np.ones((1, 20_000), np.float32)
    asked = engine.problem(function, {"x1": one, "x2": one})
    plan = engine.plan(asked, "structured")
    engine.stacking.prepare(plan.tiles[0], 4)
    # More than once: JAX takes another way the first time.
    arrays: list[Any] = [engine.stacking.dispatch([(plan, asked)] * 4).array for _ in range(3)]
    assert all(array.is_ready() for array in arrays)


def test_the_event_loop_computes_what_was_light_on_the_thread(engine: Watched, scheduler: Scheduler) -> None:
    engine.threads.clear()
    asked = [problem(engine, WAVES, seed) for seed in range(3)]
    answers = asyncio.run(in_turn(scheduler, asked))
    assert engine.threads == ["jjt-device-0", "MainThread", "MainThread"]
    for each, answer in zip(asked, answers, strict=True):
        assert each.right is not None
        right = ask(engine, WAVES, each.left.leaves[0], each.right.leaves[0])
        np.testing.assert_allclose(answer.matrix, right, rtol=0, atol=1e-6)


def test_what_took_long_on_the_thread_is_not_tried_however_little_is_predicted(
    engine: Watched, scheduler: Scheduler
) -> None:
    asked = [problem(engine, WAVES)]
    asyncio.run(in_turn(scheduler, asked))
    pace = pace_in(scheduler, engine, asked[0])
    asyncio.run(scheduler.on_device(pace.note, 601.0, 1e-3, True))
    engine.threads.clear()
    asyncio.run(in_turn(scheduler, asked * 3))
    assert engine.threads == ["jjt-device-0"] * 3


def test_what_calls_the_host_is_never_computed_by_the_event_loop(
    engine: Watched, scheduler: Scheduler
) -> None:
    engine.threads.clear()
    asyncio.run(in_turn(scheduler, [problem(engine, WATCHED)] * 3))
    assert engine.threads == ["jjt-device-0"] * 3
    assert SEEN


def test_what_took_long_is_left_to_the_thread_and_tried_again_in_the_end(
    engine: Watched, scheduler: Scheduler
) -> None:
    asked = [problem(engine, WAVES)]
    asyncio.run(in_turn(scheduler, asked))
    pace = pace_in(scheduler, engine, asked[0])
    pace.note(31 * 60, 1.0, aside=False)
    engine.threads.clear()
    asyncio.run(in_turn(scheduler, asked))
    assert engine.threads == ["jjt-device-0"]
    for _ in range(round(np.log(31) / -np.log(0.98))):
        asyncio.run(scheduler.on_device(pace.note, 1.0, 1.0, True))
    engine.threads.clear()
    time.sleep(0.2)
    asyncio.run(in_turn(scheduler, asked))
    assert engine.threads == ["MainThread"]


def test_those_that_come_at_once_go_together_without_another_thread(
    engine: Watched, scheduler: Scheduler
) -> None:
    asked = [problem(engine, WAVES, seed) for seed in range(9)]
    asyncio.run(in_turn(scheduler, asked[:1]))
    pace_in(scheduler, engine, asked[0]).note(1e-5, 1.0, aside=False)  # however slow this machine is now
    engine.stacking.prepare(engine.plan(asked[0]).tiles[0], 4)
    engine.threads.clear()
    answers = asyncio.run(at_once(scheduler, asked))
    assert [answer.batch for answer in answers] == [4] * 8 + [1]
    assert engine.threads == ["MainThread"]
    for each, answer in zip(asked, answers, strict=True):
        assert each.right is not None
        right = ask(engine, WAVES, each.left.leaves[0], each.right.leaves[0])
        np.testing.assert_allclose(answer.matrix, right, rtol=0, atol=1e-6)


class Counted:
    """A turn that counts who runs beside it."""

    kind = None
    alone = False
    seconds = 0.0
    running, most = 0, 0

    def __init__(self, number: int, light: bool, done: list[tuple[int, str]]) -> None:
        self.number, self.light, self.done = number, light, done
        self.client = f"client {number % 3}"

    def begin(self) -> None:
        Counted.running += 1
        Counted.most = max(Counted.most, Counted.running)
        time.sleep(0.0002)
        Counted.running -= 1
        self.done.append((self.number, threading.current_thread().name))

    def drop(self) -> None:
        raise AssertionError("nothing is dropped")


def test_turns_are_never_taken_by_two_threads_at_once_and_each_is_taken_once() -> None:
    lane, done = Lane("test"), list[tuple[int, str]]()
    lightness = np.random.default_rng(0).random(400) < 0.7
    for number, light in enumerate(lightness.tolist()):
        lane.put(Counted(number, light, done), wake=not light)
        if light:
            while lane.work_here(0.001):
                pass
        if number % 7 == 0:
            time.sleep(0.001)
    deadline = time.monotonic() + 10
    while len(done) < 400 and time.monotonic() < deadline:
        while lane.work_here(0.001):
            pass
        time.sleep(0.001)
    assert sorted(number for number, _ in done) == list(range(400))
    assert Counted.most == 1
    assert {name for number, name in done if not lightness[number]} == {"test"}
    assert {name for _, name in done} == {"test", "MainThread"}
    assert lane.close(1)


def test_a_lane_that_closes_drops_what_it_was_handed() -> None:
    lane, held, dropped = Lane("test"), threading.Event(), []
    lane.submit(held.wait, 10)
    time.sleep(0.05)

    class Dropped(Counted):
        def drop(self) -> None:
            dropped.append(self.number)

    lane.put(Dropped(1, True, []), wake=False)
    lane.put(Dropped(2, False, []))
    assert not lane.work_here(1)  # the thread is at work
    assert not lane.close(0.01)
    assert dropped == [1, 2]
    held.set()
    assert lane.close(5)


def test_what_is_handed_over_is_not_replaced_by_what_comes_after_it() -> None:
    lane, done = Lane("test"), list[tuple[int, str]]()
    time.sleep(0.05)
    for number in range(50):
        lane.put(Counted(number, False, done), wake=False)
    for _ in range(50):
        lane.work_here(1)
    deadline = time.monotonic() + 10
    while len(done) < 50 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sorted(done) == [(number, "test") for number in range(50)]
    assert lane.close(1)
