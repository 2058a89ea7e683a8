"""The figures of a load run: percentiles as they are defined, nothing lost, bars to scale."""

import csv
import io
import json
import math
import re
from dataclasses import asdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from app.cli import figures
from app.cli.figures import RIGHT, UNFINISHED, Sample, Step

seconds = st.lists(st.floats(1e-4, 1e2), min_size=1, max_size=40)
samples = st.lists(
    st.builds(Sample, st.floats(1e-4, 1e2), st.sampled_from([RIGHT, "429 queue_full", "ReadTimeout"]))
)


def stepped(*rates: tuple[str, int, int], over: float = 2.0) -> list[Step]:
    """Steps of a format, a concurrency and a number of right answers each."""
    return [
        figures.step(kind, at_once, over, [Sample(0.01, RIGHT)] * count, 0, 0.5)
        for kind, at_once, count in rates
    ]


@given(seconds, st.randoms())
def test_percentiles_are_those_of_the_definition_in_any_order(values: list[float], source) -> None:
    shuffled = source.sample(values, len(values))
    found = figures.percentiles(shuffled)
    ranked = np.sort(np.array(values)) * 1e3
    for share, value in zip((0.5, 0.9, 0.99, 1.0), asdict(found).values(), strict=True):
        place = share * (len(ranked) - 1)
        below, above = ranked[math.floor(place)], ranked[math.ceil(place)]
        assert math.isclose(value, below + (above - below) * (place % 1), rel_tol=1e-9)
    assert found.p50_ms <= found.p90_ms <= found.p99_ms <= found.max_ms


@given(samples, st.integers(0, 5))
def test_a_step_loses_no_request_and_only_right_answers_count_as_speed(drawn: list[Sample], left: int):
    step = figures.step("json", 3, 2.0, drawn, left, 1.0)
    assert sum(step.outcomes.values()) == len(drawn) + left
    assert step.outcomes.get(UNFINISHED, 0) == left
    right = [sample.seconds for sample in drawn if sample.outcome == RIGHT]
    assert step.per_second == len(right) / 2.0
    assert step.tool_cpu == 0.5
    assert asdict(step.latency) == asdict(figures.percentiles(right)) or not right


def test_bars_are_as_long_as_their_figures_on_one_scale() -> None:
    drawn = figures.bars(stepped(("json", 1, 10), ("json", 8, 40), ("npz", 1, 20)), width=40)
    lengths = [len(bar) for bar in re.findall(r"█+", drawn)]
    assert lengths == [10, 40, 20]
    assert [line for line in drawn.splitlines() if line in ("json", "npz")] == ["json", "npz"]
    assert "█" not in figures.bars(stepped(("json", 1, 0)))


def test_a_table_has_a_row_for_each_step_and_says_what_was_refused() -> None:
    drawn = [Sample(0.01, RIGHT)] * 812 + [Sample(0.001, "429 queue_full")] * 14
    step = figures.step("json", 32, 2.0, drawn, 0, 0.1)
    console = Console(file=io.StringIO(), width=200)
    console.print(figures.table([step, *stepped(("npz", 1, 0))]))
    assert isinstance(console.file, io.StringIO)
    _, first, second = console.file.getvalue().splitlines()
    assert first.split()[:4] == ["json", "32", "406.0", "10.00"]
    assert first.rstrip().endswith("200: 812, 429 queue_full: 14")
    assert second.split()[:4] == ["npz", "1", "0.0", "–"]


def test_files_hold_every_figure_and_no_nan() -> None:
    steps = stepped(("json", 1, 10), ("npz", 8, 0))
    document = json.loads(figures.as_json({"url": "http://x"}, steps), parse_constant=lambda _: "no JSON")
    assert document["url"] == "http://x"
    assert document["steps"][0] == asdict(steps[0])
    assert document["steps"][1]["latency"] == dict.fromkeys(("p50_ms", "p90_ms", "p99_ms", "max_ms"))
    rows = list(csv.DictReader(io.StringIO(figures.as_csv(steps))))
    assert [float(row["per_second"]) for row in rows] == [5.0, 0.0]
    assert rows[0]["outcomes"] == "200: 10"
