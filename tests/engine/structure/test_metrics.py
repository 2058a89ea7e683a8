"""A Aᵀ of operands that no request changes: what is kept, and that K made with it is the dense one."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from app import ArraySpec, Function
from app.engine.algorithms import structured
from app.engine.algorithms.structured import Structured
from app.engine.signature import signature
from app.engine.structure import metrics as module
from app.engine.structure.metrics import kept, metric_flops, metric_shapes, metrics, pushed_through
from app.engine.structure.programs import Programs, programs
from app.engine.structure.terms import terms
from app.engine.view import View
from app.engine.worlds import world
from tests.engine.structure.gradients import numbers
from tests.oracle import QUICK, Reference, close

Apply = Callable[[Any, Any], Any]
N1, N2 = 3, 2
CONSTANT = numbers(3, 5, seed=9)


@dataclass(frozen=True, eq=False)
class Case:
    """A function of one array, and the operands ``[E, S, C]`` whose metrics are kept.

    Args:
        apply: the function.
        params: its parameters.
        x: shape of x.
        operands: what each metric is made of, known without any tracing.
        pushed: whether there are no more columns than outputs.
        wrt: the variable.
    """

    apply: Apply
    params: Any
    x: tuple[int, ...]
    operands: Callable[[Any], list[np.ndarray]]
    pushed: bool = True
    wrt: str = "x"


CASES = {
    "a product": Case(lambda w, x: jnp.tanh(w @ x), numbers(3, 5), (5,), lambda w: [w[None]]),
    "the output itself": Case(lambda w, x: w @ x, numbers(3, 5), (5,), lambda w: [w[None]]),
    "fewer outputs than positions": Case(
        lambda w, x: jnp.tanh(w @ x)[:2], numbers(3, 5), (5,), lambda w: [w[None]], pushed=False
    ),
    "more outputs than positions": Case(
        lambda w, x: jnp.tanh(jnp.outer(w @ x, jnp.array([0.3, 1.0]))),
        numbers(3, 5),
        (5,),
        lambda w: [w[None]],
    ),
    "features": Case(lambda w, x: jnp.tanh(w @ x), numbers(3, 5), (5, 2), lambda w: [w[None]]),
    "groups": Case(
        lambda w, x: jnp.tanh(jnp.einsum("gsc,gc->gs", w, x)), numbers(2, 3, 5), (2, 5), lambda w: [w]
    ),
    "groups with features": Case(
        lambda w, x: jnp.tanh(jnp.einsum("gsc,gcf->gsf", w, x)), numbers(2, 3, 5), (2, 5, 7), lambda w: [w]
    ),
    "groups with features and few outputs": Case(
        lambda w, x: jnp.tanh(jnp.einsum("gsc,gcf->gsf", w, x)).sum(1),
        numbers(2, 3, 5),
        (2, 5, 7),
        lambda w: [w],
        pushed=False,
    ),
    "a constant that is closed over": Case(
        lambda _, x: jnp.tanh(CONSTANT @ x), None, (5,), lambda _: [CONSTANT[None]]
    ),
    "an operand made of parameters": Case(
        lambda p, x: jnp.tanh((jnp.exp(p["a"]) @ p["b"]) @ x),
        {"a": numbers(3, 2), "b": numbers(2, 5)},
        (5,),
        lambda p: [(np.exp(p["a"]) @ p["b"])[None]],
    ),
    "two parts of x": Case(
        lambda p, x: jnp.tanh(p["a"] @ x[:5]) * jnp.sin(p["b"] @ x[5:]),
        {"a": numbers(3, 5), "b": numbers(3, 7)},
        (12,),
        lambda p: [p["a"][None], p["b"][None]],
    ),
    "a parameter that meets another": Case(
        lambda p, x: jnp.tanh((p["a"] @ p["b"]) @ x),
        {"a": numbers(3, 2), "b": numbers(2, 5)},
        (5,),
        lambda p: [p["a"][None]],
        pushed=False,
        wrt="params.b",
    ),
}

PAIR = {"a": ArraySpec("float32", (5,)), "b": ArraySpec("float32", (5,))}
TOKENS = ArraySpec("int32", (2,), 0, 6)
NEVER: dict[str, tuple[Apply, Any, Any, str]] = {
    "the operand is another part of x": (
        lambda w, x: jnp.tanh((w * x["b"]) @ x["a"]),
        numbers(3, 5),
        PAIR,
        "x.a",
    ),
    "the operand is x": (lambda w, x: jnp.tanh(w @ x), numbers(3, 5), ArraySpec("float32", (5,)), "params"),
    "a row of the operand is chosen by x": (
        lambda p, x: jnp.tanh(p["table"][x] @ p["w"]),
        {"table": numbers(7, 5), "w": numbers(5, 3)},
        TOKENS,
        "params.w",
    ),
    "x meets itself": (lambda w, x: jnp.tanh(w @ x) * x[:3], numbers(3, 5), ArraySpec("float32", (5,)), "x"),
    "rows of a table": (lambda t, _: jnp.tanh(t[jnp.array([1, 4, 2])]), numbers(7, 5), TOKENS, "params"),
    "no operand at all": (lambda _, x: jnp.tanh(x), None, ArraySpec("float32", (5,)), "x"),
}


def traced(apply: Apply, params: Any, x: Any, wrt: str, dtype: str = "float32") -> Programs:
    function = Function(apply, x, params, wrt=wrt, name="probe", x64=dtype == "float64")
    shapes = signature(function)
    with world(function):
        return programs(View(shapes, shapes.selection(wrt), shapes.dtype(wrt)))


@cache
def of(case: Case) -> tuple[Programs, list[int], list[np.ndarray]]:
    """Programs, numbers of the uses that have a metric, and the arrays of the parameters."""
    made = traced(case.apply, case.params, ArraySpec("float32", case.x), case.wrt)
    return made, kept(made, terms(made.uses)), list(made.view.signature.params.arrays)


def sides(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Small numbers: where tanh saturates float32 leaves nothing of its derivative."""
    return 0.2 * numbers(N1, *case.x, seed=1), 0.2 * numbers(N2, *case.x, seed=2)


@cache
def dense(case: Case) -> Reference:
    """Both Jacobians in float64, by reverse mode."""
    made, _, _ = of(case)
    view, params = made.view, made.view.signature.params.arrays

    def jacobian(x: jax.Array) -> jax.Array:
        variable, constant = view.split(
            [jnp.asarray(each, jnp.float64) for each in params], [jnp.asarray(x, jnp.float64)]
        )
        rows = jax.vmap(jax.jacrev(view.apply), view.axes)(variable, constant)
        return jnp.concatenate([row.reshape(len(x), view.k, -1) for row in rows], 2)

    with jax.enable_x64(True):
        run = jax.jit(lambda both: [jacobian(x) for x in both], compiler_options=QUICK)
        exact = [np.asarray(rows) for rows in run(sides(case))]
    return Reference((exact[0], exact[1]), (exact[0], exact[1]), float(jnp.finfo("float32").eps))


def block(made: Programs, chunk: int, params: Any, x1: np.ndarray, x2: np.ndarray | None) -> np.ndarray:
    """The block of the structured algorithm from parameters and metrics."""
    with world(made.view.signature.function):
        kernel = Structured().kernel(made.view, chunk)
        run = jax.jit(kernel, compiler_options=QUICK)
        return np.asarray(run(params, [x1], None if x2 is None else [x2]))


def made_of(made: Programs, which: list[int], params: list[np.ndarray]) -> list[np.ndarray]:
    """The metrics, on the host."""
    with world(made.view.signature.function):
        run = jax.jit(lambda arrays: metrics(made, which, arrays), compiler_options=QUICK)
        return [np.asarray(metric) for metric in run(params)]


@cache
def given(case: Case) -> list[np.ndarray]:
    """Parameters, and behind them the metrics."""
    made, which, params = of(case)
    return [*params, *made_of(made, which, params)]


@pytest.mark.parametrize("name", CASES)
def test_a_metric_is_the_operand_times_its_transpose_in_the_shape_that_was_announced(name: str):
    case = CASES[name]
    made, which, params = of(case)
    operands = case.operands(case.params)
    found = given(case)[len(params) :]
    shapes = [(aval.shape, aval.dtype) for aval in metric_shapes(made, which)]
    assert shapes == [(array.shape, array.dtype) for array in found]
    for metric, a in zip(found, operands, strict=True):
        np.testing.assert_allclose(metric, a @ a.swapaxes(1, 2), rtol=1e-5, atol=1e-5)
    assert metric_flops(made, which) == [2 * e * s**2 * c for e, s, c in (a.shape for a in operands)]


@pytest.mark.parametrize("way", ["pushed", "contracted"])
@pytest.mark.parametrize("name", CASES)
def test_with_metrics_the_block_is_the_dense_one_whichever_way_it_is_made(
    name: str, way: str, monkeypatch: pytest.MonkeyPatch
):
    case = CASES[name]
    made, _, _ = of(case)
    monkeypatch.setattr(structured, "pushed_through", lambda *_: way == "pushed")
    x1, x2 = sides(case)
    arguments, reference = given(case), dense(case)
    close(block(made, made.view.k, arguments, x1, x2), reference)
    own = block(made, 1, arguments, x1, None)  # what is contracted, one output at a time
    close(own, reference.symmetric)
    np.testing.assert_array_equal(own, own.transpose(2, 3, 0, 1))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.pushed])
def test_the_metrics_that_are_given_make_the_block(name: str):
    """Where all of K is pushed it is linear in M: nothing of A is used beside it."""
    made, _, params = of(CASES[name])
    arguments, count = given(CASES[name]), len(params)
    x1, x2 = sides(CASES[name])
    once = block(made, made.view.k, arguments, x1, x2)
    thrice = block(made, made.view.k, arguments[:count] + [3 * each for each in arguments[count:]], x1, x2)
    np.testing.assert_allclose(thrice, 3 * once, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_columns_are_pushed_where_they_are_no_more_than_the_outputs(name: str):
    made, which, _ = of(CASES[name])
    operands = CASES[name].operands(CASES[name].params)
    for number, a in zip(which, operands, strict=True):
        use = made.uses[number]
        assert pushed_through(made, use) == CASES[name].pushed
        assert CASES[name].pushed == (a.shape[0] * a.shape[1] * use.index.shape[2] <= made.view.k)


@pytest.mark.parametrize("name", NEVER)
def test_what_a_request_changes_is_never_kept(name: str):
    made = traced(*NEVER[name])
    assert made.uses
    assert kept(made, terms(made.uses)) == []


@pytest.mark.parametrize(("rows", "worth"), [(9, True), (10, True), (11, False)])
def test_a_metric_much_larger_than_its_operand_is_not_kept(rows: int, worth: bool):
    """S² ≤ 2 S C."""
    case = Case(lambda w, x: jnp.tanh(w @ x), numbers(rows, 5), (5,), lambda w: [w[None]])
    assert bool(of(case)[1]) == worth


def test_a_metric_of_more_bytes_than_one_may_have_is_not_kept(monkeypatch: pytest.MonkeyPatch):
    made, which, _ = of(CASES["groups"])
    of_the_metric = 2 * 3 * 3 * 4
    monkeypatch.setattr(module, "_MOST_BYTES", of_the_metric)
    assert kept(made, terms(made.uses)) == which
    monkeypatch.setattr(module, "_MOST_BYTES", of_the_metric - 1)
    assert kept(made, terms(made.uses)) == []


def test_a_metric_has_the_dtype_of_the_matrix():
    for dtype, known in (("float64", "float64"), ("bfloat16", "float32")):
        weights = np.asarray(numbers(3, 5), dtype=jnp.dtype(dtype))
        made = traced(lambda w, x: jnp.tanh(w @ x), weights, ArraySpec(dtype, (5,)), "x", dtype)
        which = kept(made, terms(made.uses))
        (aval,), (metric,) = metric_shapes(made, which), made_of(made, which, [weights])
        assert aval.dtype == metric.dtype == jnp.dtype(known)
        wide = weights.astype(np.float64)
        np.testing.assert_allclose(metric[0], wide @ wide.T, rtol=1e-5 if known == "float32" else 1e-14)
