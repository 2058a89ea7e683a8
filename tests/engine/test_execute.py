"""Blocks: one ahead and no more, executables that are shared and bounded, and what is let go of."""

import threading

import jax
import numpy as np
import pytest

from app import ArraySpec, Function
from app.engine import Engine
from tests.engine.ask import ask, gather, named
from tests.oracle import close, inputs, reference
from tests.zoo import ZOO, Entry, examples

ENTRIES = {entry.name: entry for entry in ZOO}
CALLS: list[int] = []


def _counted(x: np.ndarray, g: np.ndarray) -> np.ndarray:
    CALLS.append(1)
    return g * 2 * x


@jax.custom_vjp
def _square(x):
    return x * x


_square.defvjp(
    lambda x: (x * x, x),
    lambda x, g: (
        jax.pure_callback(
            _counted, jax.ShapeDtypeStruct(x.shape, x.dtype), x, g, vmap_method="broadcast_all"
        ),
    ),
)


def _counting(params, x):
    """A function whose derivative counts how often it is taken, on the host."""
    return _square(x)


COUNTING = Function(_counting, ArraySpec("float32", (1,)))


def test_no_more_than_one_block_is_computed_ahead():
    """A client that leaves costs two blocks: the one that runs and the one ahead."""
    engine = Engine(memory_bytes=1 << 30, block_seconds=1e-9)
    x1, x2 = (np.arange(1.0, n + 1, dtype=np.float32)[:, None] for n in (5, 3))
    problem = engine.problem(COUNTING, {"x1": x1, "x2": x2})
    plan = engine.plan(problem, "contraction")
    engine.prepare(plan)
    assert plan.blocks == 15
    CALLS.clear()
    blocks = engine.execute(plan, problem)
    assert not CALLS, "nothing runs before it is pulled"
    first = next(blocks)
    jax.effects_barrier()
    of_one_block = 2  # one for x1 and one for x2
    assert len(CALLS) <= 2 * of_one_block
    del blocks
    assert len(CALLS) <= 2 * of_one_block
    assert first.array.shape == (1, 1, 1, 1)
    np.testing.assert_array_equal(gather(engine, plan, problem), 4 * np.einsum("ia,jb->iajb", x1, x2))


def test_executables_are_few_and_their_number_is_bounded():
    engine = Engine(memory_bytes=1 << 30, executables=3)
    entry = ENTRIES["sine_sums"]
    for n in (1, 2, 3, 4, 6, 8, 1):
        matrix = ask(engine, entry.function, examples(entry, n), examples(entry, 1, 1))
        assert matrix.shape == (n, 7, 1, 7)
        assert len(engine.executables) <= 3


def test_a_plan_still_runs_after_what_it_needs_was_dropped():
    engine = Engine(memory_bytes=1 << 30, executables=1)
    entry = ENTRIES["sine_sums"]
    x1, x2 = inputs(entry)
    problem = engine.problem(entry.function, named("x1", x1) | named("x2", x2))
    plan = engine.plan(problem)
    engine.prepare(plan)
    ask(engine, entry.function, x1)
    close(gather(engine, plan, problem), reference(entry, "x"))


def test_the_second_time_nothing_is_compiled():
    engine = Engine(memory_bytes=1 << 30)
    entry = ENTRIES["sine_sums"]
    plan = engine.explain(entry.function, 3, 2)
    assert engine.prepare(plan) > 0
    assert engine.prepare(plan) == 0.0
    assert engine.prepare(engine.explain(entry.function, 3, 2)) == 0.0


def test_neighbouring_numbers_of_examples_share_an_executable(engine: Engine):
    tiles = {
        (tile.rows, tile.columns)
        for n1 in range(1, 33)
        for tile in engine.explain(ENTRIES["sine_sums"].function, n1, 1).tiles
    }
    assert len(tiles) <= 10


def test_padded_rows_reach_no_answer(engine: Engine):
    """Five examples run as six: the answer is that of each example alone."""
    entry = ENTRIES["mlp_dict"]
    x1, x2 = examples(entry, 5), examples(entry, 2, 1)
    whole = ask(engine, entry.function, x1, x2)
    single = np.stack([ask(engine, entry.function, x1[i], x2) for i in range(5)])
    np.testing.assert_allclose(whole, single, rtol=0, atol=1e-4 * np.abs(whole).max())


def test_what_was_forgotten_is_made_again():
    engine = Engine(memory_bytes=1 << 30)
    entry = ENTRIES["mlp_dict"]
    before = ask(engine, entry.function, *inputs(entry))
    assert len(engine.executables) == 1
    engine.forget(entry.function)
    assert len(engine.executables) == 0
    np.testing.assert_array_equal(ask(engine, entry.function, *inputs(entry)), before)


def test_two_threads_that_compile_do_not_disturb_each_other():
    engine = Engine(memory_bytes=1 << 30)
    entries = [ENTRIES[name] for name in ("double", "sine_sums", "scalar_output", "double_params")]
    found: dict[str, np.ndarray] = {}

    def work(entry: Entry) -> None:
        found[entry.name] = ask(engine, entry.function, *inputs(entry))

    threads = [threading.Thread(target=work, args=(entry,)) for entry in entries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for entry in entries:
        close(found[entry.name], reference(entry, entry.function.wrt))


@pytest.mark.parametrize(
    "name", ["mlp_dict", "nested_input", "mixed_input", "embedding", "double", "brain_half"]
)
def test_an_example_of_a_function_fits_the_function(engine: Engine, name):
    function = ENTRIES[name].function
    x1, x2 = engine.example(function, 3, None, seed=7)
    problem = engine.problem(function, named("x1", x1) | named("x2", x2))
    assert len(problem.shape) == 3
    assert problem.shape[0] == 3
    again, _ = engine.example(function, 3, None, seed=7)
    other, _ = engine.example(function, 3, None, seed=8)
    same, different = (
        [(a == b).all() for a, b in zip(jax.tree.leaves(x1), jax.tree.leaves(tree), strict=True)]
        for tree in (again, other)
    )
    assert all(same)
    assert not all(different)


def test_a_declared_example_is_given_unless_numbers_are_asked_for(engine: Engine):
    own = (np.zeros(1, np.float32), np.ones(1, np.float32))
    function = Function(_counting, ArraySpec("float32", (1,)), example=lambda: own)
    assert engine.example(function) is own
    x1, x2 = engine.example(function, 3, 2)
    assert x1.shape == (3, 1)
    assert x2.shape == (2, 1)
