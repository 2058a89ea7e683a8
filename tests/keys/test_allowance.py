"""Allowances: over time no more than the limits say, and whoever waits as long as was said is let in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.keys import Allowance, minted

RATES = st.floats(0.01, 1e4)
PAUSES = st.lists(st.floats(0, 3), min_size=1, max_size=60)


class Clock:
    """Stands still but for what it is told."""

    def __init__(self) -> None:
        self.now = 1e5

    def __call__(self) -> float:
        return self.now


def allowance(clock: Clock, **limits: float) -> Allowance:
    return Allowance(minted("lab", **limits)[0], clock)


def test_without_limits_everything_is_let_in() -> None:
    free = allowance(Clock())
    free.spend("bytes", 1e30)
    free.spend("device_seconds", 1e30)
    assert free.enter() == ("", 0.0)
    assert free.limits == []


@given(RATES, st.floats(1, 50), PAUSES)
def test_no_more_requests_than_the_burst_and_the_rate_allow(
    rate: float, burst: float, pauses: list[float]
) -> None:
    clock, let_in = Clock(), 0
    lab = allowance(clock, requests_per_second=rate, requests_burst=burst)
    began = clock.now
    for pause in pauses:
        clock.now += pause
        for _ in range(3):
            let_in += not lab.enter()[0]
        assert let_in <= (burst + (clock.now - began) * rate) * (1 + 1e-6)


@given(RATES, st.floats(1, 20), st.integers(1, 40))
def test_whoever_waits_as_long_as_was_said_is_let_in_and_no_sooner(
    rate: float, burst: float, more: int
) -> None:
    clock = Clock()
    lab = allowance(clock, requests_per_second=rate, requests_burst=burst)
    for _ in range(int(burst) + more):
        kind, seconds = lab.enter()
        if kind:
            assert kind == "requests"
            clock.now += 0.98 * seconds
            assert lab.enter()[0] == "requests"
            clock.now += 0.02 * seconds + 1e-9
            assert lab.enter() == ("", 0.0)


@pytest.mark.parametrize(("kind", "limit"), [("bytes", "bytes_per_second"), ("device_seconds", "")])
@given(st.floats(0.1, 1e4), st.lists(st.floats(0.1, 1e5), min_size=1, max_size=30))
def test_what_was_had_is_paid_for_before_anything_else_is_let_in(
    kind: str, limit: str, rate: float, costs: list[float]
) -> None:
    clock = Clock()
    burst = 10 * rate if limit else 60 * rate
    lab = allowance(
        clock,
        **({limit: rate, "bytes_burst": max(burst, 1)} if limit else {"device_seconds_per_minute": burst}),
    )
    burst, had, began = max(burst, 1) if limit else burst, 0.0, clock.now
    for cost in costs:
        which, seconds = lab.enter()
        assert (which == kind) == (seconds > 0)
        assert not had - burst - rate * (clock.now - began) > 1e-6 * max(had, burst) or which == kind
        clock.now += seconds
        assert lab.enter()[0] == ""
        lab.spend(kind, cost)
        had += cost


def test_the_longest_wait_is_the_one_that_is_said_and_nothing_is_taken_meanwhile() -> None:
    clock = Clock()
    lab = allowance(clock, requests_per_second=1, requests_burst=1, device_seconds_per_minute=6)
    assert lab.enter() == ("", 0.0)
    lab.spend("device_seconds", 7)
    assert lab.enter() == ("device_seconds", pytest.approx(10))
    clock.now += 10
    assert lab.enter() == ("", 0.0)
    assert lab.enter() == ("requests", pytest.approx(1))


def test_other_limits_do_not_give_back_what_was_had() -> None:
    clock = Clock()
    lab = allowance(clock, bytes_per_second=10, bytes_burst=100)
    lab.spend("bytes", 150)
    lab.limit(minted("lab", bytes_per_second=25, bytes_burst=1000, requests_per_second=1)[0])
    assert lab.enter() == ("bytes", pytest.approx(2))
    lab.limit(minted("lab")[0])
    assert lab.enter() == ("", 0.0)
