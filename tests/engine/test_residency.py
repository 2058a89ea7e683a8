"""What stays on the device: parameters, and what was made of them, as far as a budget allows."""

import threading
from dataclasses import dataclass, field

import jax.numpy as jnp
import numpy as np
import pytest

from app import ArraySpec, Function
from app.engine import Engine
from app.engine.algorithms import Keepsake
from app.engine.algorithms.contraction import Contraction
from app.engine.algorithms.structured import Structured
from app.engine.residency import Residency
from app.engine.signature import signature
from app.engine.view import View
from tests.engine.ask import ask
from tests.engine.structure.gradients import numbers

Happened = list[tuple[str, str, int | None]]
WEIGHTS = numbers(3, 5)
METRIC_BYTES = 3 * 3 * 4


@dataclass(frozen=True)
class Keeping(Contraction):
    """An algorithm that keeps one array of a size and a worth that the test decides: twice a parameter."""

    numbers: int = 1
    flops: float = 1.0
    traces: list[int] = field(default_factory=list, compare=False)
    held_up: threading.Event | None = field(default=None, compare=False)
    began: threading.Event = field(default_factory=threading.Event, compare=False)

    def kept(self, view):
        return [Keepsake("x", "float32", (self.numbers,), self.flops)]

    def keep(self, view, params):
        self.traces.append(1)
        self.began.set()
        if self.held_up is not None:
            assert self.held_up.wait(30)
        return [jnp.broadcast_to(2 * params[0].ravel()[0], (self.numbers,))]


def product(name: str = "product", weights: np.ndarray = WEIGHTS) -> Function:
    """tanh(W x): the metric of x is W Wᵀ."""
    return Function(
        lambda w, x: jnp.tanh(w @ x), ArraySpec("float32", (5,)), weights, wrt="x", name=name, version="1"
    )


def seen(function: Function, wrt: str = "x", precision: str = "highest") -> View:
    shapes = signature(function)
    return View(shapes, shapes.selection(wrt), shapes.dtype(wrt), precision)


@pytest.fixture
def happened() -> Happened:
    return []


def residency(kept_bytes: int, happened: Happened) -> Residency:
    return Residency(kept_bytes, lambda event, function, kept: happened.append((event, function.name, kept)))


def events(happened: Happened) -> list[str]:
    return [event for event, _, _ in happened]


def test_what_was_made_is_found_the_second_time(happened: Happened):
    held, view = residency(1 << 20, happened), seen(product())
    params, metric = held.arguments(view, Structured())
    np.testing.assert_allclose(metric, [WEIGHTS @ WEIGHTS.T], rtol=1e-5)
    assert held.arguments(view, Structured())[1] is metric
    assert held.arguments(view, Structured())[0] is params
    assert happened == [("miss", "product", METRIC_BYTES), *[("hit", "product", None)] * 2]
    assert held.held_bytes == WEIGHTS.nbytes + METRIC_BYTES


def test_what_is_kept_is_said_by_variable_leaf_and_bytes():
    function, held = product(), Residency(1 << 20)
    for precision in ("highest", "default"):
        held.arguments(seen(function, precision=precision), Structured())
    held.arguments(seen(function, "params"), Structured())  # its operand is x: nothing to keep
    held.arguments(seen(function), Contraction())
    first, second = held.kept(function)
    assert (first.wrt, first.algorithm, first.precision) == ("x", "structured", "highest")
    assert second.precision == "default"
    (keepsake,) = first.keepsakes
    assert (keepsake.leaf, keepsake.dtype, keepsake.shape) == ("x", "float32", (1, 3, 3))
    assert first.nbytes == keepsake.nbytes == METRIC_BYTES
    assert keepsake.flops == 2 * 3 * 3 * 5
    assert held.kept(product()) == []


def test_the_variable_is_said_as_a_request_may_name_it():
    def apply(params, x):
        return jnp.tanh(params["a.b"] @ (params["plain"] @ x))

    weights = {"a.b": numbers(2, 3), "plain": numbers(3, 5)}
    function = Function(apply, ArraySpec("float32", (5,)), weights, wrt="params,x")
    held = Residency(1 << 20)
    held.arguments(seen(function, "x,params.plain"), Structured())
    (holding,) = held.kept(function)
    assert seen(function, holding.wrt) == seen(function, "x,params.plain")
    assert {each.leaf for each in holding.keepsakes} <= set(holding.wrt.split(","))


def test_of_what_does_not_fit_that_goes_which_saves_the_least_work_for_its_bytes(happened: Happened):
    held, view = residency(4 * 100, happened), seen(product())
    poor, small, rich = (
        Keeping("poor", numbers=40, flops=4_000),
        Keeping("small", numbers=10, flops=2_000),
        Keeping("rich", numbers=40, flops=9_000),
    )
    for algorithm in (rich, small, poor):
        held.arguments(view, algorithm)
    assert events(happened) == ["miss"] * 3
    newest = Keeping(
        "newest", numbers=50, flops=1
    )  # needs 40: of poor alone, though small has fewer flops in all
    held.arguments(view, newest)
    assert happened[3:] == [("eviction", "product", 4 * 100), ("miss", "product", 4 * 100)]
    for algorithm in (rich, small, newest):
        held.arguments(view, algorithm)
    assert events(happened)[5:] == ["hit"] * 3
    held.arguments(view, poor)
    assert events(happened)[8:] == ["eviction", "miss"], "what was just asked for is kept, whatever its worth"


def test_of_what_is_worth_the_same_that_goes_which_was_not_used_for_longest(happened: Happened):
    held, view = residency(4 * 20, happened), seen(product())
    first, second, third = (Keeping(name, numbers=10, flops=10) for name in ("first", "second", "third"))
    for algorithm in (first, second, first, third, first):
        held.arguments(view, algorithm)
    assert events(happened) == ["miss", "miss", "hit", "eviction", "miss", "hit"]


def test_what_is_more_than_the_whole_budget_is_used_but_not_kept_and_drives_nothing_out(happened: Happened):
    function = product()
    held, view = residency(4 * 20, happened), seen(function)
    small, large = Keeping("small", numbers=20), Keeping("large", numbers=21, flops=1e9)
    held.arguments(view, small)
    for _ in range(2):
        _, array = held.arguments(view, large)
        np.testing.assert_array_equal(array, np.full(21, 2 * WEIGHTS[0, 0]))
    held.arguments(view, small)
    assert events(happened) == ["miss", "miss", "miss", "hit"]
    assert [each.nbytes for each in held.kept(function)] == [80]
    assert len(large.traces) == 1, "it is computed again, and not compiled again"


@pytest.mark.parametrize("kept_bytes", [0, METRIC_BYTES - 1])
def test_without_a_budget_the_answer_is_the_same(kept_bytes: int, happened: Happened):
    view = seen(product())
    roomy, poor = Residency(1 << 20), residency(kept_bytes, happened)
    for one, other in zip(
        roomy.arguments(view, Structured()), poor.arguments(view, Structured()), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert happened == [("miss", "product", 0)]


def test_variables_for_which_there_is_nothing_to_keep_are_bounded_and_no_event(
    monkeypatch: pytest.MonkeyPatch, happened: Happened
):
    monkeypatch.setattr("app.engine.residency._MOST", 3)
    held, view = residency(1 << 20, happened), seen(product())
    held.arguments(view, Structured())
    for number in range(5):
        held.arguments(view, Contraction(f"keeps nothing {number}"))
    assert len(held._kept) == 3
    held.arguments(view, Structured())
    assert events(happened) == ["miss", "hit"]


def test_a_function_that_is_forgotten_leaves_nothing_and_its_successor_everything(happened: Happened):
    old, new = product(), product(weights=3 * WEIGHTS)
    held = residency(1 << 20, happened)
    other = product("other")
    for function in (old, new, other):
        held.arguments(seen(function), Structured())
    assert happened.pop() == ("miss", "other", 36)
    held.forget(other)
    held.forget(old)
    held.forget(old)
    assert happened == [
        ("miss", "product", 36),
        ("miss", "product", 72),
        ("forget", "other", 0),
        ("forget", "product", 36),
    ]
    assert held.kept(old) == []
    assert held.held_bytes == WEIGHTS.nbytes + METRIC_BYTES
    _, metric = held.arguments(seen(new), Structured())
    np.testing.assert_allclose(metric, [9 * WEIGHTS @ WEIGHTS.T], rtol=1e-5)
    held.forget(new)
    assert held.held_bytes == 0


def test_what_is_held_is_said_while_something_is_made():
    function, held = product(), Residency(1 << 20)
    held.arguments(seen(function), Structured())
    go = threading.Event()
    slow = Keeping("slow", held_up=go)
    maker = threading.Thread(target=held.arguments, args=(seen(function), slow))
    maker.start()
    try:
        assert slow.began.wait(30)
        found: list[int] = []
        reader = threading.Thread(
            target=lambda: found.extend([held.held_bytes, len(held.kept(function))]), daemon=True
        )
        reader.start()
        reader.join(10)
        assert found == [WEIGHTS.nbytes + METRIC_BYTES, 1]
    finally:
        go.set()
        maker.join(30)
    assert len(held.kept(function)) == 2


def test_threads_that_ask_for_the_same_have_it_made_once(happened: Happened):
    held, view = residency(1 << 20, happened), seen(product())
    go = threading.Event()
    slow = Keeping("slow", held_up=go)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(held.arguments(view, slow)[1])) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert slow.began.wait(30)
    go.set()
    for thread in threads:
        thread.join(30)
    assert len({id(array) for array in found}) == 1
    assert sorted(events(happened)) == ["hit", "hit", "hit", "miss"]


def test_threads_that_ask_evict_and_forget_get_right_arrays_within_the_budget(happened: Happened):
    budget, functions = (
        2 * METRIC_BYTES,
        [product(f"product_{scale}", scale * WEIGHTS) for scale in (1, 2, 3)],
    )
    held, wrong = residency(budget, happened), []

    def work(start: int) -> None:
        try:
            for turn in range(30):
                scale = (start + turn) % 3 + 1
                function = functions[scale - 1]
                params, metric = held.arguments(seen(function), Structured())
                np.testing.assert_allclose(params, scale * WEIGHTS, rtol=1e-6)
                np.testing.assert_allclose(metric, [scale**2 * WEIGHTS @ WEIGHTS.T], rtol=1e-5)
                if turn % 7 == start:
                    held.forget(function)
                assert sum(each.nbytes for one in functions for each in held.kept(one)) <= budget
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong, wrong[0]
    asked = events(happened)
    assert asked.count("hit") + asked.count("miss") == 4 * 30
    there = asked.count("miss") - asked.count("eviction") - asked.count("forget")
    assert there == sum(len(held.kept(function)) for function in functions)
    for function in functions:
        held.forget(function)
    assert held.held_bytes == 0


def test_an_engine_tells_of_what_it_keeps_and_forgets_it_with_the_function(happened: Happened):
    engine = Engine(
        memory_bytes=1 << 30,
        heard=lambda event, function, kept: happened.append((event, function.name, kept)),
    )
    function, x = product(), numbers(4, 5)
    for _ in range(2):
        ask(engine, function, x, algorithm="structured")
    assert [holding.nbytes for holding in engine.kept(function)] == [METRIC_BYTES]
    engine.forget(function)
    assert engine.kept(function) == []
    assert happened == [
        ("miss", "product", METRIC_BYTES),
        ("hit", "product", None),
        ("forget", "product", 0),
    ]
