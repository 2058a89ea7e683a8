"""Short forms of what ``benchmarks/load`` measures: counts, and ratios that leave room for a busy machine."""

import asyncio
from collections.abc import Iterator

import pytest

from benchmarks.load import fairness, leavers, overload, storm
from benchmarks.load.calling import RIGHT, Tally, address
from benchmarks.load.claims import Part
from benchmarks.load.crowds import about, closed
from benchmarks.load.service import Target, serving

pytestmark = pytest.mark.xdist_group("load")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A service that lets nobody wait for more than half a second."""
    with serving(tmp_path_factory.mktemp("load"), **overload.SETTINGS) as service:
        yield service.target


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A service with the usual queue."""
    with serving(tmp_path_factory.mktemp("patient"), **fairness.SETTINGS) as service:
        yield service.target


def unharmed(part: Part) -> None:
    """All that must not be is not: faults, wrong answers, requests left over."""
    assert not [each for each in part.claims if each.expected.startswith("no ") and not each.holds]


def test_ten_times_the_capacity_is_refused_with_retry_after_and_the_rest_answered(target: Target) -> None:
    part = asyncio.run(overload.overload(target, overload.Length(1.0, 4.0), clients=1))
    unharmed(part)
    assert part.number("right answers, of the peak before and after") > 0.4
    assert part.number("loaded p50 [s]") < 2.0
    came = part.figures["what came"]
    assert isinstance(came, dict)
    assert came["429"] > came[RIGHT] > 0


def test_a_storm_of_retries_leaves_most_of_the_capacity_and_no_memory(target: Target) -> None:
    part = asyncio.run(storm.storm(target, storm.Length(4.0, 1.0, 2.0)))
    unharmed(part)
    assert part.number("right answers in time, of the peak before and after") > 0.4


def test_one_request_beside_a_hundred_does_not_wait_for_them(patient: Target) -> None:
    part = asyncio.run(fairness.requests(patient, fairness.SHORT))
    unharmed(part)
    first_come_first_served = fairness.REQUESTS * part.number("alone p50 [s]")
    assert part.number("p95 beside, to 2 × alone + two blocks") < first_come_first_served / 4


def test_small_requests_pass_a_large_kernel_between_its_blocks(patient: Target) -> None:
    part = asyncio.run(fairness.kernels(patient, fairness.SHORT))
    unharmed(part)
    assert part.number("p99 beside, to 5 × alone + two blocks") < 1.5


def test_what_clients_leave_is_computed_no_further_and_harms_nobody(patient: Target) -> None:
    part = asyncio.run(leavers.leavers(patient, leavers.SHORT))
    unharmed(part)
    timed = "places free after"
    assert not [line for line in part.broken if timed not in line]
    assert part.number(timed) < 0.5


def test_answers_never_cross_where_requests_are_computed_together(patient: Target) -> None:
    tally, clients = Tally(), [address(70, number) for number in range(64)]
    asyncio.run(closed(patient.port, about("small"), clients, 4.0, tally))
    assert not tally.faults
    assert set(tally.counts) == {RIGHT}
    assert tally.total > len(clients)
    turns, blocks = (patient.value(f"jjt_batch_requests_{name}") for name in ("count", "sum"))
    assert turns < blocks, "some were computed together"
