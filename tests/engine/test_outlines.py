"""A plan survives as JSON: what is taken back decides, predicts and computes as the one that was priced."""

import json

import pytest

from app.engine import Engine, outline
from tests.zoo import ZOO

ENTRIES = {entry.name: entry for entry in ZOO}


@pytest.mark.parametrize(("n1", "n2"), [(1, 1), (1, None), (7, None), (5, 3)])
@pytest.mark.parametrize("name", ["mlp_dict", "while_loop", "mixed_input"])
def test_a_plan_taken_back_is_the_plan(engine: Engine, name: str, n1: int, n2: int | None) -> None:
    function = ENTRIES[name].function
    plan = engine.explain(function, n1, n2)
    other = Engine(memory_bytes=engine.memory_bytes, block_seconds=engine.block_seconds)
    resumed = other.resume(function, n1, n2, json.loads(json.dumps(outline(plan))))
    assert resumed is not None
    assert resumed.as_dict() == plan.as_dict()
    assert (resumed.tiles, resumed.tiling, resumed.chosen) == (plan.tiles, plan.tiling, plan.chosen)
    assert other.explain(function, n1, n2) is resumed


def test_a_plan_in_which_nothing_fits_is_taken_back_too() -> None:
    function = ENTRIES["mlp_dict"].function
    engine = Engine(memory_bytes=1)
    plan = engine.explain(function, 2, 3)
    assert plan.chosen is None
    resumed = engine.resume(function, 2, 3, outline(plan))
    assert resumed is not None
    assert resumed.as_dict() == plan.as_dict()


@pytest.mark.parametrize("change", [{"algorithm": "unknown"}, {"tile": {"rows": 1}}, {"candidates": [{}]}])
def test_an_outline_of_other_code_is_of_no_use(engine: Engine, change: dict) -> None:
    function = ENTRIES["mlp_dict"].function
    drawn = outline(engine.explain(function, 2, 3)) | change
    assert engine.resume(function, 2, 3, drawn) is None
    assert engine.resume(function, 2, 3, {}) is None


def test_rates_that_were_measured_earlier_are_taken_and_others_are_measured() -> None:
    engine = Engine(memory_bytes=1 << 30)
    measured = engine.calibrate()
    known = {name: 2 * rate for name, rate in measured.items()}
    assert engine.calibrate(json.loads(json.dumps(known))) == known
    assert engine.calibrate({"of another time": 1.0}) == measured
