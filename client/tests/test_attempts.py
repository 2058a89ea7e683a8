"""When to send again: the table at the head of ``attempts``."""

import pytest

from jjt_client import (
    ComputeFailed,
    ConnectionFailed,
    DeadlinePassed,
    JJTError,
    NotReady,
    ServiceError,
    SpecMismatch,
    TimedOut,
    UnexpectedAnswer,
)
from jjt_client.attempts import PATIENCE_SECONDS, Attempts

REFUSED = ConnectionFailed("refused", stage="connecting")
BUSY = NotReady("starting", status=503, code="not_ready", retry_after_seconds=2)


def waits(attempts: Attempts, error: JJTError, at_most: int = 100) -> list[float]:
    """All waits that an error leads to, if it comes again and again."""
    found = []
    while len(found) < at_most and (seconds := attempts.wait_seconds(error)) is not None:
        found.append(seconds)
    return found


@pytest.mark.parametrize(
    ("error", "times"),
    [
        (REFUSED, 3),
        (TimedOut("a", stage="connecting"), 3),
        (ConnectionFailed("a", stage="waiting"), 1),
        (ConnectionFailed("a", stage="reading"), 0),
        (TimedOut("a", stage="waiting"), 0),
        (TimedOut("a", stage="reading"), 0),
        (BUSY, 3),
        (ServiceError("a", status=429, code="queue_full", retry_after_seconds=0), 3),
        (ServiceError("a", status=503, code="out_of_memory"), 0),
        (ServiceError("a proxy", status=503), 3),
        (ServiceError("a proxy", status=502), 0),
        (DeadlinePassed("a", status=504, code="deadline_passed"), 0),
        (ComputeFailed("a", status=500, code="compute_failed"), 0),
        (SpecMismatch("a", status=422, code="spec_mismatch"), 0),
        (UnexpectedAnswer("a", status=200), 0),
    ],
    ids=repr,
)
def test_an_error_is_repeated_as_often_as_the_table_says(error: JJTError, times: int) -> None:
    assert len(waits(Attempts(3), error)) == times
    assert not waits(Attempts(0), error)


def test_no_wait_is_shorter_than_the_service_asked_for_or_much_longer() -> None:
    for _ in range(100):
        seconds = Attempts(1).wait_seconds(BUSY)
        assert seconds is not None
        assert 2 <= seconds <= 2.5


def test_waits_grow_and_differ_between_clients() -> None:
    several = [waits(Attempts(6), REFUSED) for _ in range(20)]
    assert len({tuple(each) for each in several}) == 20
    for each in several:
        assert sorted(each) == each
        assert each[-1] >= 8


@pytest.mark.parametrize("patience", [None, 1.0, 10.0])
def test_all_waits_together_stay_within_the_patience(patience: float | None) -> None:
    for _ in range(20):
        found = waits(Attempts(1000, patience), REFUSED)
        assert found
        assert sum(found) <= (PATIENCE_SECONDS if patience is None else patience)


def test_a_service_that_asks_for_more_than_the_patience_is_not_waited_for() -> None:
    error = ServiceError("a", status=429, code="rate_limited", retry_after_seconds=3600)
    assert Attempts(3).wait_seconds(error) is None


def test_a_dropped_connection_after_other_errors_is_not_repeated() -> None:
    attempts = Attempts(3)
    assert attempts.wait_seconds(REFUSED) is not None
    assert attempts.wait_seconds(ConnectionFailed("a", stage="waiting")) is None
