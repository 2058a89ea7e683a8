"""What was seen corrects what is predicted: the least of some times, of a tile and of its neighbours."""

import time
from dataclasses import replace

import pytest

from app.engine import Engine
from app.engine.algorithms import ALGORITHMS
from app.engine.compiled import Tile
from app.engine.devices import Rates
from app.engine.observations import Observations
from app.engine.planner import Budget, Plan, Planner
from tests.engine.ask import named
from tests.oracle import inputs
from tests.zoo import ZOO

ENTRY = next(entry for entry in ZOO if entry.name == "mlp_dict")
BUDGET = Budget(1 << 30, 1e3)


@pytest.fixture(scope="module")
def plan(engine: Engine) -> Plan:
    return engine.explain(ENTRY.function, 4, 3)


@pytest.fixture
def tiles(plan: Plan) -> tuple[Tile, Tile, Tile]:
    """A tile, one of another size, and one of another algorithm."""
    one, other = ALGORITHMS[:2]
    return Tile(plan.view, one, 4, 3, 1), Tile(plan.view, one, 8, 8, 1), Tile(plan.view, other, 4, 3, 1)


def test_a_prediction_is_corrected_when_it_was_far_off_three_times(tiles):
    tile, neighbour, other = tiles
    seen = Observations()
    assert [seen.add(tile, 1.0, 0.1) for _ in range(4)] == [False, False, True, False]
    assert seen.ratio(tile) == seen.ratio(neighbour) == pytest.approx(10)
    assert seen.ratio(other) == 1


@pytest.mark.parametrize("seconds", [0.6, 1.0, 1.9])
def test_a_prediction_that_was_near_stays(tiles, seconds):
    seen = Observations()
    assert not any(seen.add(tiles[0], seconds, 1.0) for _ in range(5))
    assert seen.ratio(tiles[0]) == 1


def test_what_disturbs_a_measurement_now_and_then_corrects_nothing(tiles):
    seen = Observations()
    for seconds in (50.0, 1.0, 30.0, 80.0, 1.1):
        assert not seen.add(tiles[0], seconds, 1.0)


def test_a_correction_is_taken_back_when_it_was_the_machine_that_was_busy(tiles):
    seen = Observations()
    for _ in range(3):
        seen.add(tiles[0], 10.0, 1.0)
    assert seen.ratio(tiles[0]) == pytest.approx(10)
    assert seen.add(tiles[0], 1.0, 1.0)
    assert seen.ratio(tiles[0]) == 1


def test_a_block_that_is_far_too_long_counts_at_once(tiles):
    seen = Observations()
    assert seen.add(tiles[0], 20.0, 1.0, sure=True)
    assert seen.ratio(tiles[0]) == pytest.approx(20)


def test_what_was_seen_goes_with_the_function(tiles):
    seen = Observations()
    seen.add(tiles[0], 20.0, 1.0, sure=True)
    seen.forget(ENTRY.function)
    assert seen.ratio(tiles[0]) == seen.ratio(tiles[1]) == 1
    assert not seen.add(tiles[0], 20.0, 1.0), "one time is one time again"


def test_auto_leaves_an_algorithm_that_proves_slow(plan: Plan):
    planner = Planner(Rates)  # of no device
    first = planner.plan(plan.view, "params", 4, 3, BUDGET)
    assert first.tile is not None
    times = [planner.observe(first.tile, 900.0, BUDGET.block_seconds) for _ in range(3)]
    second = planner.plan(plan.view, "params", 4, 3, BUDGET)
    assert times == [False, False, True]
    assert second.algorithm != first.algorithm
    again = planner.plan(plan.view, "params", 4, 3, BUDGET, first.algorithm or "")
    assert again.seconds == pytest.approx(900.0)


@pytest.mark.parametrize(
    ("handed_after", "resumed_after", "told"),
    [(0.001, None, False), (0.999, None, True), (0.001, 0.01, True), (0.001, 0.9, False)],
    ids=["long there, perhaps", "computed in place", "awaited from its start", "awaited at its end"],
)
def test_blocks_that_nobody_awaited_say_nothing(
    engine: Engine, handed_after: float, resumed_after: float | None, told: bool
):
    x1, x2 = inputs(ENTRY)
    problem = engine.problem(ENTRY.function, named("x1", x1) | named("x2", x2), wrt="params")
    plan = engine.plan(problem)
    engine.prepare(plan)
    seconds: list[float] = []
    flight = engine.execution(plan, problem).dispatch()
    began = time.perf_counter() - 1
    flight = replace(flight, dispatched=began, handed=began + handed_after)
    resumed = None if resumed_after is None else began + resumed_after
    flight.land(0.0, lambda _, found: seconds.append(found), resumed)
    assert [round(found) for found in seconds] == [1] * told
