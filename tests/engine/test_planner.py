"""Plans: honest about bytes, monotone in the budgets, complete in their reasons; tilings cover once."""

import json
import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import ArraySpec, Function
from app.engine import ALGORITHMS, Engine, Plan, explained
from app.engine.devices import Rates
from app.engine.planner import Budget, Planner
from app.engine.tiling import bucket_above, bucket_below, most_rows, smaller, tiling
from app.errors import AnswerTooLarge, NotApplicable, SpecMismatch
from tests.engine.ask import ask, honest, named
from tests.oracle import N1, N2, close, inputs, reference
from tests.zoo import ZOO

ENTRIES = {entry.name: entry for entry in ZOO}
NAMES = [each.name for each in ALGORITHMS]
GROUPS, EACH = 1_000, 2_000
PLANNER = Planner(Rates)  # of no device: for laws of the counts, whatever a machine's rates


@pytest.fixture(scope="module")
def alone() -> Engine:
    """An engine that holds no parameters on the device: they would come out of the budget."""
    return Engine(memory_bytes=1 << 30)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 64), st.integers(1, 64), st.booleans())
def test_a_tiling_covers_each_entry_once(n1, n2, rows, columns, symmetric):
    if symmetric:
        n2, columns = n1, rows
    times = np.zeros((n1, n2), int)
    cut = tiling(n1, n2, rows, columns, symmetric)
    blocks = list(cut)
    assert len(blocks) == cut.diagonal + cut.others
    for (top, bottom), (left, right) in blocks:
        assert 0 < bottom - top <= cut.rows
        assert 0 < right - left <= cut.columns
        times[top:bottom, left:right] += 1
        if symmetric and (top, bottom) != (left, right):
            times[left:right, top:bottom] += 1
    assert (times == 1).all()


@given(st.integers(1, 10**6))
def test_sizes_of_blocks_are_few_and_waste_less_than_half(n):
    above, below = bucket_above(n), bucket_below(n)
    assert below <= n <= above < 2 * n or n == above == below == 1
    assert bucket_above(below) == bucket_below(below) == below
    assert len({bucket_above(size) for size in range(1, 1000)}) <= 20


@given(st.integers(1, 4096), st.integers(1, 4096), st.floats(1.01, 100))
def test_cutting_smaller_ends_at_one_example(rows, columns, over):
    steps = 0
    while (rows, columns) != (1, 1):
        before = rows * columns
        rows, columns = smaller(rows, columns, over)
        assert 1 <= rows * columns < before
        steps += 1
    assert steps <= 60


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 100), st.integers(1, 1 << 20))
def test_a_row_of_blocks_keeps_within_its_bytes_or_is_one_row(n1, n2, entry_bytes, panel_bytes):
    rows = most_rows(n1, n2, entry_bytes, panel_bytes)
    if n1 * n2 * entry_bytes <= panel_bytes:
        assert rows >= n1, "a small matrix is not cut"
    else:
        assert rows == 1 or rows * n2 * entry_bytes <= panel_bytes
        assert rows == 1 or rows * 2 >= panel_bytes // (n2 * entry_bytes), "nor a large one more than needed"


@given(st.integers(1, 200), st.integers(1, 200), st.booleans(), st.integers(8, 20))
def test_plans_of_all_sizes_bound_a_row_of_blocks_and_cover_all(engine: Engine, n1, n2, alone, power):
    view = engine.explain(ENTRIES["mlp_dict"].function, 1).view
    right = n1 if alone else n2
    budget = Budget(1 << 30, 1e9, panel_bytes=2**power)
    cut = PLANNER.plan(view, "params", n1, None if alone else n2, budget).tiling
    row_bytes = view.k * right * view.k * view.itemsize
    assert cut.rows == 1 or min(cut.rows, n1) * row_bytes <= 2**power
    assert (cut.n1, cut.n2, cut.symmetric) == (n1, right, alone)
    if n1 * row_bytes <= 2**power:
        ample = Budget(1 << 30, 1e9)
        assert cut == PLANNER.plan(view, "params", n1, None if alone else n2, ample).tiling


def test_bounding_a_row_of_blocks_changes_no_entry_beyond_rounding(engine: Engine):
    entry = ENTRIES["mlp_dict"]
    x1, x2 = inputs(entry)
    known = reference(entry, entry.function.wrt)
    narrow = Engine(memory_bytes=1 << 30, panel_bytes=1)
    assert narrow.explain(entry.function, N1, N2).blocks == N1
    close(ask(narrow, entry.function, x1, x2), known)
    matrix = ask(narrow, entry.function, x1)
    close(matrix, known.symmetric)
    assert (matrix == matrix.transpose(2, 3, 0, 1)).all()


def _seconds(plans: list[Plan]) -> dict[str, list[float]]:
    """Predicted seconds of each algorithm, and of the one that auto takes; infinite where it was refused."""
    found: dict[str, list[float]] = {name: [] for name in ("auto", *NAMES)}
    for plan in plans:
        found["auto"].append(plan.seconds if plan.algorithm else np.inf)
        for each in plan.candidates:
            found[each.algorithm].append(np.inf if each.refused else each.seconds)
    return found


@pytest.mark.parametrize("name", ["mlp_dict", "sine_sums"])
@pytest.mark.parametrize("n2", [5, None])
def test_a_larger_memory_budget_never_gives_a_slower_plan(alone: Engine, name, n2):
    function = ENTRIES[name].function
    plans = [alone.explain(function, 7, n2, memory_bytes=8**power) for power in range(2, 9)]
    for algorithm, seconds in _seconds(plans).items():
        assert np.isfinite(seconds[-1])
        assert seconds == sorted(seconds, reverse=True), algorithm


@pytest.mark.parametrize("n2", [5, None])
def test_a_larger_time_budget_never_gives_a_slower_plan(n2):
    function = ENTRIES["mlp_dict"].function
    plans = [Engine(1 << 30, block_seconds=0.1**power).explain(function, 7, n2) for power in (8, 5, 4, 3)]
    for algorithm, seconds in _seconds(plans).items():
        assert seconds == sorted(seconds, reverse=True), algorithm


@pytest.mark.parametrize("name", ["mlp_dict", "sine_sums"])
@pytest.mark.parametrize("power", range(12, 24, 4))
def test_a_plan_keeps_within_its_budget_or_there_is_none(alone: Engine, name, power):
    plan = alone.explain(ENTRIES[name].function, 7, 5, memory_bytes=2**power)
    for candidate in plan.candidates:
        if candidate.refused:
            assert str(2**power) in candidate.refused, "the refusal names what was allowed"
        else:
            assert 0 < candidate.bytes <= 2**power
            assert candidate.seconds > 0
            assert candidate.flops > 0


def test_a_plan_says_what_a_larger_budget_would_buy(alone: Engine):
    function = ENTRIES["sine_sums"].function
    plan_within = partial(alone.explain, function, 7, 5)
    ample = explained(plan_within, alone.memory_bytes)
    assert ample["larger_budget"] is None
    assert ample["memory_bytes"] == alone.memory_bytes
    tight = explained(plan_within, 1 << 15)
    larger = tight["larger_budget"]
    assert larger["memory_bytes"] > tight["memory_bytes"] == 1 << 15
    plan = alone.explain(function, 7, 5, memory_bytes=larger["memory_bytes"])
    assert (plan.algorithm, plan.seconds) == (larger["algorithm"], larger["seconds"])
    usable = {each["algorithm"]: each["seconds"] for each in tight["algorithms"] if "seconds" in each}
    assert larger["seconds"] < 0.9 * usable[tight["algorithm"]]


def test_a_budget_that_nothing_fits_is_refused_with_each_reason():
    small = Engine(memory_bytes=64)
    function = ENTRIES["mlp_dict"].function
    assert small.explain(function, 3).algorithm is None
    problem = small.problem(function, named("x1", inputs(ENTRIES["mlp_dict"])[0]))
    with pytest.raises(NotApplicable) as caught:
        small.plan(problem)
    for name in NAMES:
        assert name in caught.value.detail
    assert "64" in caught.value.detail


def test_leaving_x2_out_is_planned_as_less_work_than_giving_it(engine: Engine):
    view, budget = engine.explain(ENTRIES["attention"].function, 1).view, Budget(1 << 30, 0.1)
    alone, both = (_seconds([PLANNER.plan(view, "params", 64, n2, budget)]) for n2 in (None, 64))
    for name in NAMES:
        assert alone[name] < both[name]


def test_auto_takes_the_fastest_of_all_or_structured_where_it_is_as_fast_and_lists_them(engine: Engine):
    for entry in ENTRIES.values():
        plan = engine.explain(entry.function, 3, 2)
        assert [each.algorithm for each in plan.candidates] == NAMES
        usable = {each.algorithm: each.seconds for each in plan.candidates if not each.refused}
        assert plan.algorithm
        assert usable[plan.algorithm] == plan.seconds
        fastest = min(usable, key=lambda name: usable[name])
        alike = usable.get("structured", math.inf) * 0.95 <= usable[fastest]
        assert plan.algorithm == ("structured" if alike else fastest)
        assert set(entry.cannot) == set(NAMES) - set(usable)


def test_few_columns_are_pushed_forward_and_few_rows_pulled_back(engine: Engine):
    def tall(params, x):
        import jax.numpy as jnp

        return jnp.sin(jnp.outer(params, x)).ravel()

    def wide(params, x):
        import jax.numpy as jnp

        return jnp.sin(params * x).sum(keepdims=True)

    narrow = Function(tall, ArraySpec("float32", (2,)), np.ones(512, np.float32))
    broad = Function(wide, ArraySpec("float32", (4096,)), np.ones(4096, np.float32))
    assert engine.explain(narrow, 2, 3).algorithm == "forward"
    assert engine.explain(broad, 2, 3).algorithm != "forward"


def test_a_plan_says_itself_as_json(engine: Engine):
    said = json.loads(json.dumps(engine.explain(ENTRIES["while_loop"].function, 3, 2).as_dict()))
    assert {**said, "block": None, "algorithms": None} == {
        "function": "while_loop",
        "version": "1",
        "wrt": "x",
        "n1": 3,
        "n2": 2,
        "k": 5,
        "p": 5,
        "algorithm": "forward",
        "block": None,
        "blocks": 1,
        "algorithms": None,
    }
    assert len(said["block"]) == 2
    for each in said["algorithms"]:
        assert set(each) in ({"algorithm", "refused"}, {"algorithm", "seconds", "bytes", "flops", "explicit"})


@pytest.mark.parametrize("name", ["implicit", "Auto", "", "contraction ", "__class__"])
def test_an_algorithm_that_nobody_knows_is_not_applicable(engine: Engine, name):
    with pytest.raises(NotApplicable, match="contraction"):
        engine.explain(ENTRIES["affine"].function, 3, algorithm=name)


def test_a_matrix_larger_than_is_answered_is_refused_with_the_bytes(engine: Engine):
    small = Engine(memory_bytes=1 << 30, max_answer_bytes=3 * 5 * 2 * 5 * 4 - 1)
    entry = ENTRIES["mlp_dict"]
    x1, x2 = inputs(entry)
    problem = small.problem(entry.function, named("x1", x1) | named("x2", x2))
    with pytest.raises(AnswerTooLarge) as caught:
        small.plan(problem)
    assert caught.value.fields == {"needed_bytes": 600, "allowed_bytes": 599}


def test_explaining_a_wrt_that_names_nothing_is_refused(engine: Engine):
    with pytest.raises(SpecMismatch):
        engine.explain(ENTRIES["affine"].function, 3, wrt="params.nothing")


def sine_groups(params, x):
    """sin, summed over a thousand groups of two thousand."""
    import jax.numpy as jnp

    return jnp.sin(x).reshape(GROUPS, EACH).sum(axis=1)


def test_vector_products_never_hold_the_jacobian(engine: Engine):
    """p = 2,000,000 and k = 1,000: J would take 8 GB; the temporaries stay under 64 MB."""
    function = Function(sine_groups, ArraySpec("float32", (GROUPS * EACH,)))
    plan = engine.explain(function, 1, 1, algorithm="vector_products")
    engine.prepare(plan)
    (tile,) = plan.tiles
    held = engine.executables.get(tile).temporary_bytes
    assert 2 * 4 * GROUPS * EACH < held < 64e6, "at least one gradient and one tangent"
    honest(engine, plan)
