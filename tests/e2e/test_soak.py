"""The soak's judgement, on runs that are made up; and the soak itself, its short form."""

import subprocess
import sys
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from app.catalog import Catalog
from benchmarks.soak import questions, watching
from benchmarks.soak.questions import POOL, Subject
from benchmarks.soak.watching import Sample
from tests.conftest import ROOT
from tests.e2e.server import FUNCTIONS
from tests.wire import bodies


def ran(
    minutes: float, memory: float = 0, files: float = 0, threads: float = 0, code: float = 0
) -> list[Sample]:
    """Samples every five seconds, with what each measure gains in a minute, and some noise."""
    source = np.random.default_rng(0)
    samples = []
    for seconds in np.arange(0, minutes * 60, 5.0):
        noise, gone = source.normal(), seconds / 60
        samples.append(
            Sample(
                seconds,
                500 + 3 * noise + memory * gone,
                round(20 + noise + files * gone),
                round(30 + noise + threads * gone),
                round(300 + noise + code * gone),
                5,
            )
        )
    return samples


def broken(samples: list[Sample]) -> set[str]:
    return {verdict.measure for verdict in watching.judged(samples) if not verdict.holds}


def test_a_slope_is_what_is_gained_in_a_minute() -> None:
    seconds = [0.0, 30.0, 90.0, 120.0]
    assert watching.slope(seconds, [7 + 3 * at / 60 for at in seconds]) == pytest.approx(3)


def test_what_stays_flat_holds_and_what_grew_before_the_second_half_too() -> None:
    flat = ran(20)
    assert not broken(flat)
    assert {verdict.measure for verdict in watching.judged(flat)} == {
        "memory_mib",
        "files",
        "threads",
        "code",
    }
    warming = [replace(each, memory_mib=300 + min(each.seconds, 500) / 5) for each in flat]
    assert not broken(warming)


@pytest.mark.parametrize("measure", ["memory", "files", "threads", "code"])
def test_a_slow_leak_of_twenty_minutes_is_found(measure: str) -> None:
    slow = {"memory": 4.0, "files": 1.0, "threads": 1.0, "code": 5.0}
    assert broken(ran(20, **{measure: slow[measure]})) == {"memory_mib" if measure == "memory" else measure}


def test_a_short_run_allows_what_is_compiled_and_no_more() -> None:
    assert not broken(ran(0.5, memory=100, files=60, threads=60, code=900))
    assert broken(ran(0.5, memory=2000)) == {"memory_mib"}


def test_files_that_stay_open_and_requests_that_stay_are_no_rest() -> None:
    before = Sample(0, 500, 20, 30, 100, 1)
    assert watching.at_rest(before, replace(before, memory_mib=900, threads=60, code=900))
    assert not watching.at_rest(before, replace(before, files=23))
    assert not watching.at_rest(before, replace(before, in_flight=2))


@pytest.fixture(scope="module")
def waves() -> Subject:
    """The pool of ``two_waves``."""
    catalog = Catalog((FUNCTIONS,))
    catalog.load()
    return questions.subject(catalog.get("two_waves"), 5)


def test_the_pool_of_a_function_has_its_dense_matrix(waves: Subject) -> None:
    x = waves.inputs.astype(np.float64)
    rows = np.zeros((POOL, 2, 3))
    rows[:, 0, 0], rows[:, 0, 1], rows[:, 1, 2] = np.cos(x[:, 0]), 1, 2 * x[:, 2]
    np.testing.assert_allclose(waves.table, np.einsum("iaq,jbq->iajb", rows, rows), rtol=1e-12)
    np.testing.assert_allclose(waves.norms, np.linalg.norm(rows, axis=2), rtol=1e-12)


@pytest.mark.parametrize("seed", range(7))
def test_the_right_matrix_passes_and_that_of_another_client_does_not(waves: Subject, seed: int) -> None:
    drawn = questions.draw([waves], Random(seed))
    asked = replace(drawn, answered="npy")
    second = asked.first if asked.second is None else asked.second
    right = np.array(waves.table[asked.first][..., second, :], np.float32)
    assert not asked.wrong(bodies.npy(right))
    assert not replace(asked, answered="lists").wrong(bodies.document(matrix=right.tolist(), dtype="float32"))
    first = [place + 1 for place in asked.first] if isinstance(asked.first, list) else asked.first + 1
    other = np.array(waves.table[np.array(first) % POOL][..., second, :], np.float32)
    assert "off by" in asked.wrong(bodies.npy(other))
    assert "off by" in asked.wrong(bodies.npy(np.full_like(right, np.nan)))
    assert "shape" in asked.wrong(bodies.npy(right[None]))


@pytest.mark.timeout(240)
def test_twenty_seconds_of_it_leave_nothing_behind(pytestconfig: pytest.Config) -> None:
    keyed = ["tests.e2e.keyed"] if pytestconfig.getoption("--keys") else []
    done = subprocess.run(
        [sys.executable, "-m", *keyed, "benchmarks.soak", "--short"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=220,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "Faults: 0." in done.stdout
    for kind, outcome in (("good", "200"), ("leaving", "left"), ("killed", "killed"), ("reload", "changed")):
        assert f"| {kind} | {outcome} |" in done.stdout
