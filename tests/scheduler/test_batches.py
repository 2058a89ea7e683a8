"""Small requests go together once that is compiled: never waiting for one another, and never wrong for it."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from app import ArraySpec, Function
from app.engine import Engine, Problem
from app.errors import ComputeFailed
from app.metrics import Metrics
from app.scheduler import Admission, Scheduler
from app.specs import Answer
from tests.engine.ask import ask

WEIGHTS = np.random.default_rng(3).standard_normal((6, 4)).astype(np.float32)
TANH = Function(
    lambda w, x: jnp.tanh(x @ w), ArraySpec("float32", (6,)), WEIGHTS, wrt="params", name="tanh", version="1"
)


def _refuse_large(x: np.ndarray) -> np.ndarray:
    if np.any(x > 100):
        raise ValueError("too large")
    return x


def _checked(_: Any, x: jax.Array) -> jax.Array:
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    checked = jax.pure_callback(_refuse_large, shape, jax.lax.stop_gradient(x), vmap_method="broadcast_all")
    return x * checked


CHECKED = Function(_checked, ArraySpec("float32", (3,)), name="checked", version="1")


@pytest.fixture(scope="module")
def engine() -> Engine:
    engine = Engine()
    engine.calibrate()
    return engine


@pytest.fixture
def scheduler(engine: Engine) -> Iterator[Scheduler]:
    # However short they are: the lane's thread takes them, when it is let go.
    scheduler = Scheduler([engine], Metrics(), Admission(60, 1 << 30), light_seconds=0)
    yield scheduler
    assert scheduler.close(10)


def problems(
    engine: Engine, function: Function, number: int, n1: int = 1, n2: int | None = 1
) -> list[Problem]:
    shape = function.x.shape  # type: ignore[union-attr]
    found = []
    for seed in range(number):
        draw = np.random.default_rng(seed)
        arrays = {"x1": draw.standard_normal((n1, *shape)).astype(np.float32)}
        if n2 is not None:
            arrays["x2"] = draw.standard_normal((n2, *shape)).astype(np.float32)
        found.append(engine.problem(function, arrays))
    return found


async def answered(scheduler: Scheduler, asked: Problem, client: str = "somebody") -> Answer:
    with scheduler.admitted(client) as ticket:
        return await scheduler.answer(asked, "auto", asyncio.get_running_loop().time() + 60, ticket)


def ready(engine: Engine, asked: Problem, *sizes: int) -> None:
    """Compile what computes one, and what computes so many as one."""
    plan = engine.plan(asked)
    engine.prepare(plan)
    for size in sizes:
        engine.stacking.prepare(plan.tiles[0], size)


async def at_once(scheduler: Scheduler, asked: list[Problem], clients: int = 1) -> list[Any]:
    """All answers to requests that stand in line while something else has the device."""
    held = threading.Event()
    holding = asyncio.ensure_future(scheduler.on_device(held.wait, 30))
    await asyncio.sleep(0.05)
    answers = [
        asyncio.ensure_future(answered(scheduler, each, f"client {number % clients}"))
        for number, each in enumerate(asked)
    ]
    await asyncio.sleep(0.2)
    held.set()
    await holding
    return await asyncio.gather(*answers, return_exceptions=True)


@pytest.mark.parametrize(("n1", "n2"), [(1, 1), (3, 2), (3, None)])
def test_each_gets_its_own_answer(engine: Engine, scheduler: Scheduler, n1: int, n2: int | None) -> None:
    asked = problems(engine, TANH, 21, n1, n2)
    ready(engine, asked[0], 16, 4)
    answers = asyncio.run(at_once(scheduler, asked, clients=5))
    assert sorted(answer.batch for answer in answers) == [1] + [4] * 4 + [16] * 16
    for problem, answer in zip(asked, answers, strict=True):
        sides = (side.leaves[0] if side else None for side in (problem.left, problem.right))
        alone = ask(engine, TANH, *sides)
        np.testing.assert_allclose(answer.matrix, alone, rtol=0, atol=1e-5 * np.abs(alone).max())
        if n2 is None:
            square = answer.matrix.reshape(n1 * 4, n1 * 4)
            np.testing.assert_array_equal(square, square.T)


def test_one_that_is_alone_goes_alone_and_nothing_is_compiled_for_it(
    engine: Engine, scheduler: Scheduler
) -> None:
    asked = problems(engine, TANH, 3)
    ready(engine, asked[0], 4)
    for each in asked:
        assert asyncio.run(answered(scheduler, each)).batch == 1


def test_a_stack_is_compiled_once_enough_requests_have_stood_in_line(
    engine: Engine, scheduler: Scheduler
) -> None:
    asked = problems(engine, TANH, 16, n1=2)
    ready(engine, asked[0])
    tile = engine.plan(asked[0]).tiles[0]
    batches = []
    for _ in range(8):
        batches.append({answer.batch for answer in asyncio.run(at_once(scheduler, asked))})
        asyncio.run(scheduler.on_compiler(int))  # what was asked of the compiler is there then
    assert batches[0] == {1}
    assert batches[-1] == {16}
    assert engine.stacking.is_ready(tile, 16)


def test_shapes_that_differ_in_their_padding_alone_go_together(engine: Engine, scheduler: Scheduler) -> None:
    asked = [*problems(engine, TANH, 2, n1=5), *problems(engine, TANH, 2, n1=6)]
    ready(engine, asked[0], 4)
    answers = asyncio.run(at_once(scheduler, asked))
    assert [answer.batch for answer in answers] == [4] * 4
    assert [answer.shape for answer in answers] == [(5, 4, 1, 4)] * 2 + [(6, 4, 1, 4)] * 2
    for problem, answer in zip(asked, answers, strict=True):
        alone = ask(engine, TANH, problem.left.leaves[0], problem.right.leaves[0])  # type: ignore[union-attr]
        np.testing.assert_allclose(answer.matrix, alone, rtol=0, atol=1e-5 * np.abs(alone).max())


def test_what_differs_does_not_go_together(engine: Engine, scheduler: Scheduler) -> None:
    asked = [*problems(engine, TANH, 2), *problems(engine, TANH, 2, n1=30, n2=30)]
    asked += [engine.problem(TANH, {"x1": each.left.leaves[0]}, wrt="x") for each in asked[:2]]
    for each in asked:
        ready(engine, each, 4)
    assert {answer.batch for answer in asyncio.run(at_once(scheduler, asked))} == {1}


def test_one_that_fails_harms_nobody_that_went_with_it(engine: Engine, scheduler: Scheduler) -> None:
    asked = problems(engine, CHECKED, 4)
    bad = engine.problem(CHECKED, {"x1": np.full((1, 3), 1e3, np.float32), "x2": np.ones((1, 3), np.float32)})
    ready(engine, bad, 4)
    answers = asyncio.run(at_once(scheduler, [*asked[:3], bad]))
    assert isinstance(answers[3], ComputeFailed)
    for problem, answer in zip(asked, answers[:3], strict=False):
        x1, x2 = problem.left.leaves[0][0], problem.right.leaves[0][0]  # type: ignore[union-attr]
        np.testing.assert_allclose(answer.matrix[0, :, 0], np.diag(x1 * x2), rtol=1e-5, atol=1e-6)


def test_one_that_leaves_takes_nobody_with_it(engine: Engine, scheduler: Scheduler) -> None:
    asked = problems(engine, TANH, 5)
    ready(engine, asked[0], 4)

    async def leave() -> list[Answer]:
        held = threading.Event()
        holding = asyncio.ensure_future(scheduler.on_device(held.wait, 30))
        await asyncio.sleep(0.05)
        tasks = [asyncio.ensure_future(answered(scheduler, each)) for each in asked]
        await asyncio.sleep(0.1)
        tasks[2].cancel()
        await asyncio.sleep(0.05)
        held.set()
        await holding
        return await asyncio.gather(*tasks[:2], *tasks[3:])

    answers = asyncio.run(leave())
    assert [answer.batch for answer in answers] == [4] * 4


def test_what_cannot_be_stacked_stays_alone(
    engine: Engine, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = problems(engine, TANH, 4, n1=7)
    ready(engine, asked[0])
    tile = engine.plan(asked[0]).tiles[0]

    def cannot(*_: object, **__: object) -> None:
        raise NotImplementedError("no rule for this under vmap")

    with monkeypatch.context() as patch:
        patch.setattr(jax, "vmap", cannot)
        engine.stacking.prepare(tile, 4)
    assert engine.stacking.most(engine.plan(asked[0])) == 1
    assert {answer.batch for answer in asyncio.run(at_once(scheduler, asked))} == {1}
    engine.forget(TANH)
    assert engine.stacking.most(engine.plan(asked[0])) > 1


def test_a_stack_keeps_within_the_budgets_of_one_block() -> None:
    roomy, narrow, quick = Engine(), Engine(memory_bytes=1 << 20), Engine(block_seconds=1e-4)
    asked = problems(roomy, TANH, 1)[0]
    assert roomy.stacking.most(roomy.plan(asked)) >= 64
    plan = narrow.plan(asked)
    assert 1 <= narrow.stacking.most(plan) <= narrow.memory_bytes / plan.bytes
    plan = quick.plan(asked)
    assert quick.stacking.most(plan) <= max(1, quick.block_seconds / plan.seconds)
