"""A receipt: small for the right matrix, large for a wrong entry, the same for the same request."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from app import ArraySpec, Function, function
from app.engine import Engine, Problem
from app.engine import recomputation as programs
from app.specs import Receipt
from tests.engine.ask import gather, named, part
from tests.oracle import inputs, reference
from tests.zoo import ZOO, Entry
from tests.zoo.entry import weights

BY_NAME = {entry.name: entry for entry in ZOO}
ALL = 4096


def problem_of(engine: Engine, entry: Entry, wrt: str) -> Problem:
    x1, x2 = inputs(entry)
    return engine.problem(entry.function, named("x1", x1) | named("x2", x2), wrt=wrt)


def answered(engine: Engine, problem: Problem) -> np.ndarray:
    plan = engine.plan(problem)
    engine.prepare(plan)
    return gather(engine, plan, problem)


def one(engine: Engine, declared: Function, x: Any) -> tuple[Problem, np.ndarray]:
    problem = engine.problem(declared, named("x1", x))
    return problem, answered(engine, problem)


def declared(apply: Callable[[Any, Any], Any], size: int, params: Any = None, wrt: str = "x") -> Function:
    return function(x=ArraySpec("float32", (size,)), params=params, wrt=wrt, version="1", name="f")(apply)


@pytest.mark.parametrize("entry", ZOO[::5], ids=lambda entry: entry.name)
def test_a_right_answer_is_as_close_as_the_dense_one(engine: Engine, entry: Entry):
    wrt = entry.wrts[0]
    problem = problem_of(engine, entry, wrt)
    receipt = engine.verify(problem, answered(engine, problem), 40)
    assert receipt.error <= reference(entry, wrt).slack
    assert receipt.entries == min(40, int(np.prod(problem.sizes)))


@pytest.mark.parametrize("entry", ZOO, ids=lambda entry: entry.name)
def test_what_is_recomputed_is_the_dense_float64_matrix(engine: Engine, entry: Entry):
    wrt = entry.wrts[-1]
    known, problem = reference(entry, wrt), problem_of(engine, entry, wrt)
    receipt = engine.verify(problem, known.matrix, ALL)
    assert receipt.entries == known.matrix.size
    # In float64 nothing is lost; what is recomputed in f's own dtypes is held against those.
    assert receipt.error <= (1e-6 if problem.dtype != "float64" and receipt.dtype == "float64" else 64)


@pytest.mark.parametrize(
    ("name", "wrt"),
    [
        ("mlp_dict", "params"),
        ("mlp_dict", "x"),
        ("while_loop", "params"),
        ("brain_half", "x"),
        ("double", "x"),
    ],
)
def test_one_wrong_entry_is_found_where_it_is(engine: Engine, name: str, wrt: str):
    known, problem = reference(BY_NAME[name], wrt), problem_of(engine, BY_NAME[name], wrt)
    right, place = answered(engine, problem), (2, 1, 0, 3)
    wrong = right.copy()
    wrong[place] += 1000 * known.eps * known.scale[place]
    before, after = (engine.verify(problem, matrix, ALL) for matrix in (right, wrong))
    assert before.error < 64
    assert after.place == place
    assert after.error == pytest.approx(1000, rel=0.1)
    assert after.evaluation == before.evaluation


def test_the_error_is_in_units_of_the_norms_of_the_rows(engine: Engine):
    entry = BY_NAME["mlp_dict"]
    known, problem = reference(entry, "params"), problem_of(engine, entry, "params")
    shifted = known.matrix + 7 * known.eps * known.scale
    assert engine.verify(problem, shifted, ALL).error == pytest.approx(7, rel=1e-6)


def test_the_same_request_gets_the_same_entries_and_another_gets_others(engine: Engine):
    entry = BY_NAME["mlp_dict"]
    x1, x2 = inputs(entry)
    problem = problem_of(engine, entry, "params")
    matrix = answered(engine, problem)
    first, again = (engine.verify(problem_of(engine, entry, "params"), matrix, 5) for _ in range(2))
    assert first == again
    moved = jax.tree.map(lambda leaf: leaf * np.float32(1.5), x1)
    other = engine.problem(entry.function, named("x1", moved) | named("x2", x2), wrt="params")
    places = [
        set(zip(*verification(engine, each, matrix)._entries, strict=True)) for each in (problem, other)
    ]
    assert all(len(each) == 5 for each in places)
    assert places[0] != places[1]


def verification(engine: Engine, problem: Problem, matrix: np.ndarray) -> Any:
    return engine.verification(problem, matrix, 5)


def test_a_turn_is_short_and_turns_do_not_change_the_receipt(engine: Engine):
    problem = problem_of(engine, BY_NAME["mlp_dict"], "params")
    matrix = answered(engine, problem)
    patient = Engine(memory_bytes=1 << 30, block_seconds=1e-9)
    turns, one_row_each = 1, patient.verification(problem, matrix, 30)
    while one_row_each.step():
        turns += 1
    assert turns > 30
    assert one_row_each.receipt == engine.verify(problem, matrix, 30)


def test_more_rows_than_a_chunk_holds_are_taken_in_groups(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    for name, wrt in (("mlp_dict", "params"), ("while_loop", "params")):
        problem = problem_of(engine, BY_NAME[name], wrt)
        known = reference(BY_NAME[name], wrt)
        with monkeypatch.context() as small:
            small.setattr(programs, "_CHUNK_BYTES", 1)
            own = Engine(memory_bytes=1 << 30, block_seconds=10.0)
            assert programs.recomputation(problem.view).chunk == 1
            assert own.verify(problem, known.matrix, ALL).error < 1e-6


@pytest.mark.parametrize("batched", ["neither", "left", "both"])
def test_sides_of_one_example_and_a_symmetric_answer(engine: Engine, batched: str):
    entry = BY_NAME["conv"]
    x1, x2 = inputs(entry)
    x1 = part(x1, 0) if batched == "neither" else x1
    arrays = named("x1", x1) | ({} if batched == "both" else named("x2", part(x2, 0)))
    problem = engine.problem(entry.function, arrays, wrt="params")
    matrix = answered(engine, problem)
    assert matrix.shape == problem.shape
    assert engine.verify(problem, matrix, 50).error < 64


def test_a_function_that_cannot_be_traced_in_float64_is_recomputed_in_its_own(engine: Engine):
    def carries(params: None, x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda carry, item: (carry + item, carry), jnp.zeros((), "float32"), jnp.sin(x))[
            1
        ]

    problem, matrix = one(engine, declared(carries, 7), np.linspace(0, 1, 7))
    receipt = engine.verify(problem, matrix, ALL)
    assert (receipt.dtype, receipt.evaluation) == ("float32", None)
    assert receipt.error < 4


@pytest.mark.parametrize(
    "narrow",
    [
        lambda x: jnp.sin(x.astype("float32")),
        lambda x: jnp.sin(x.astype("bfloat16")).astype(x.dtype),
        lambda x: jax.jit(lambda z: jnp.sin(z).astype("float32"))(x) * x,
        lambda x: x * jax.random.normal(jax.random.key(0), x.shape),
    ],
    ids=["output", "within", "nested", "random"],
)
def test_a_function_that_would_not_be_itself_in_float64_is_recomputed_in_its_own(engine: Engine, narrow: Any):
    problem, matrix = one(engine, declared(lambda params, x: narrow(x), 7), np.linspace(0.1, 1, 7))
    receipt = engine.verify(problem, matrix, ALL)
    assert (receipt.dtype, receipt.evaluation) == ("float32", None)
    assert receipt.error < 4


def test_a_backward_rule_that_fixes_its_dtype_is_recomputed_in_its_own(engine: Engine):
    @jax.custom_vjp
    def rigid(x: jax.Array) -> jax.Array:
        return jnp.sin(x)

    rigid.defvjp(
        lambda x: (jnp.sin(x), x), lambda x, g: ((g * jnp.cos(x)).astype("float32").astype(g.dtype),)
    )
    problem, matrix = one(engine, declared(lambda params, x: rigid(x), 7), np.linspace(0.1, 1, 7))
    assert engine.verify(problem, matrix, ALL).dtype == "float32"


def test_the_functions_own_error_is_that_of_its_outputs_against_float64(engine: Engine):
    def cancels(params: np.float32, x: jax.Array) -> jax.Array:
        return jnp.stack([(params + x[0]) - params, x[1]])

    x = np.array([0.3, 0.5], "float32")
    problem, matrix = one(engine, declared(cancels, 2, np.float32(1000)), x)
    y = np.array([np.float32(1000) + x[0] - np.float32(1000), x[1]], "float32")
    exact = np.array([(1000 + np.float64(x[0])) - 1000, x[1]])
    expected = np.abs(y - exact).max() / (np.finfo("float32").eps * np.abs(exact).max())
    receipt = engine.verify(problem, matrix, ALL)
    assert receipt.evaluation == pytest.approx(expected, rel=1e-6)
    assert expected > 100
    assert receipt.error == 0


def test_entries_that_are_not_finite_agree_with_one_another_and_with_nothing_else(engine: Engine):
    root = declared(lambda params, x: jnp.sqrt(x), 1)
    for x, right, wrong in ((0.0, np.inf, 1e30), (0.0, np.nan, 0), (4.0, 1 / 16, np.nan)):
        problem = engine.problem(root, {"x1": np.full(1, x)})
        assert engine.verify(problem, np.full((1, 1), right), ALL).error < 1
        assert engine.verify(problem, np.full((1, 1), wrong), ALL).error == np.inf


def test_rows_that_vanish_allow_nothing_but_zero(engine: Engine):
    problem, matrix = one(engine, declared(lambda params, x: 0 * x, 3), np.ones(3))
    assert engine.verify(problem, matrix, ALL).error == 0
    assert engine.verify(problem, matrix + np.float32(1e-30), ALL).error == np.inf


def test_no_more_than_a_few_rows_of_a_large_jacobian_are_held(engine: Engine):
    params = {"w": weights(0, 1000, 4000)}
    network = declared(lambda params, x: jnp.tanh(params["w"] @ x), 4000, params, "params")
    problem = engine.problem(network, {"x1": np.ones((2, 4000), "float32") / 60})
    view, k = problem.view, 1000
    row = np.tanh(params["w"].astype("float64") @ np.ones(4000) / 60)
    matrix = np.zeros((2, k, 2, k), "float32")
    matrix[:, range(k), :, range(k)] = ((1 - row**2) ** 2 * 4000 / 3600)[:, None, None]
    receipt = engine.verify(problem, matrix, 8)
    assert programs.recomputation(view).chunk * view.p * 8 <= 64 << 20
    assert receipt == Receipt(8, receipt.error, receipt.place, "float64", receipt.evaluation)
    assert receipt.error < 64


def test_what_was_compiled_for_a_function_is_forgotten_with_it(engine: Engine):
    problem, matrix = one(engine, declared(lambda params, x: jnp.cos(x), 3), np.ones(3))
    engine.verify(problem, matrix, 1)
    assert problem.view in engine._recomputations._held
    engine.forget(problem.function)
    assert problem.view not in engine._recomputations._held
