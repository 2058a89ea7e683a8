"""The ledger: who waits for what, what is refused and when it may come back, and that it balances."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import DeadlinePassed, QueueFull
from app.scheduler.admission import Admission, DrainRate


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def ledger(seconds: float = 10.0, nbytes: int = 1000, **others: int) -> Admission:
    return Admission(seconds, nbytes, clock=Clock(), **others)


def test_a_newcomer_waits_for_its_own_and_for_no_more_of_others_than_it_has_itself() -> None:
    admission = ledger()
    for client, seconds in (("a", 5.0), ("b", 0.5), ("c", 2.0)):
        admission.enter(client).price(seconds)
    assert admission.wait("d", 1.0) == pytest.approx(1 + 0.5 + 1)
    assert admission.wait("c", 1.0) == pytest.approx(2 + 3 + 0.5)
    assert admission.wait("d", 0.0) == 0


def test_two_devices_share_the_work() -> None:
    admission = ledger(devices=2)
    admission.enter("a").price(5.0)
    assert admission.wait("a", 1.0) == pytest.approx(2.5)


def test_a_small_request_passes_where_a_large_one_is_refused() -> None:
    admission = ledger(seconds=3.0)
    for number in range(4):
        admission.enter(f"greedy {number}").price(0.5 if number else 60.0)
    with pytest.raises(QueueFull) as refused:
        admission.enter("large").price(50.0)
    assert refused.value.fields["retry_after_seconds"] == 49  # of 51.5 s before it, 3 are allowed
    admission.enter("small").price(0.1)


def test_a_client_that_has_too_much_is_refused_before_its_request_is_known() -> None:
    admission = ledger(seconds=3.0)
    admission.enter("greedy").price(60.0)
    with pytest.raises(QueueFull):
        admission.enter("greedy")
    admission.enter("polite").price(0.1)


def test_alone_everything_is_let_in() -> None:
    admission = ledger(seconds=0.1, nbytes=1)
    ticket = admission.enter("a", 10**12)
    ticket.price(1e6)
    ticket.resize(10**13)
    ticket.leave(done=True)
    assert (admission.seconds, admission.nbytes, admission.requests) == (0, 0, 0)


def test_a_ticket_is_left_with_the_last_who_is_inside() -> None:
    admission = ledger()
    with admission.enter("a", 600) as ticket:
        ticket.price(1.0)
        with ticket:
            assert admission.requests == 1
        assert (admission.seconds, admission.nbytes, admission.requests) == (1.0, 600, 1)
    assert (admission.seconds, admission.nbytes, admission.requests) == (0, 0, 0)


def test_bytes_are_bounded() -> None:
    admission = ledger(nbytes=1000)
    first = admission.enter("a", 600)
    with pytest.raises(QueueFull) as refused:
        admission.enter("b", 600)
    assert refused.value.fields["held_bytes"] == 600
    second = admission.enter("b", 300)
    with pytest.raises(QueueFull):
        second.resize(500)
    assert second.nbytes == 300
    first.leave(done=True)
    second.resize(5000)


@pytest.mark.parametrize(("left", "passes"), [(2.0, False), (3.2, True), (math.inf, True)])
def test_a_deadline_that_cannot_be_kept_is_said_at_once(left: float, passes: bool) -> None:
    admission = ledger()
    admission.enter("a").price(1.0)
    ticket = admission.enter("b")
    if passes:
        ticket.price(2.0, left)
        return
    with pytest.raises(DeadlinePassed) as refused:
        ticket.price(2.0, left)
    assert refused.value.fields["predicted_seconds"] == pytest.approx(3.0, rel=0.01)
    assert admission.seconds == 1.0


def test_what_is_done_is_waited_for_no_more() -> None:
    admission = ledger()
    ticket = admission.enter("a")
    ticket.price(5.0)
    ticket.spend(4.0)
    assert admission.seconds == pytest.approx(1.0)
    ticket.spend(4.0)
    assert admission.seconds == 0
    ticket.leave(done=True)


def test_what_rests_is_waited_for_by_nobody_and_makes_no_rate_look_low() -> None:
    clock = Clock()
    admission = Admission(10.0, 1000, clock=clock)
    slow = admission.enter("a")
    slow.price(8.0)
    with slow.resting():
        clock.now += 1000
        assert admission.wait("a", 1.0) == admission.wait("b", 1.0) == 0
        slow.spend(3.0)  # of what was begun before
        admission.enter("b").price(5.0)
    assert admission.seconds == pytest.approx(10.0)
    assert admission.wait("b", 100.0) == pytest.approx(10.0, rel=0.1)
    with slow.resting():
        slow.leave(done=False)
    assert admission.seconds == pytest.approx(5.0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 5), st.integers(0, 300)), max_size=40))
def test_the_ledger_balances(requests: list[tuple[str, float, int]]) -> None:
    admission = Admission(1e9, 10**9, clock=Clock())
    tickets = []
    for client, seconds, nbytes in requests:
        ticket = admission.enter(client, nbytes)
        ticket.price(seconds)
        tickets.append(ticket)
    assert admission.seconds == pytest.approx(sum(seconds for _, seconds, _ in requests))
    assert admission.nbytes == sum(nbytes for _, _, nbytes in requests)
    for ticket in tickets[::2] + tickets[1::2]:
        ticket.leave(done=False)
    assert (admission.seconds, admission.nbytes, admission.requests) == (0, 0, 0)
    assert not admission._backlogs


def rate(of: Callable[[DrainRate, Clock], None]) -> float:
    clock = Clock()
    drain = DrainRate(clock)
    of(drain, clock)
    return drain.value


def test_the_drain_rate_is_what_was_predicted_by_what_it_took() -> None:
    def twice_too_low(drain: DrainRate, clock: Clock) -> None:
        drain.busy(True)
        for _ in range(200):
            clock.now += 0.5
            drain.add(0.25)

    assert rate(lambda *_: None) == 1
    assert rate(twice_too_low) == pytest.approx(0.5, rel=0.05)


def test_idle_time_changes_no_rate() -> None:
    def idle(drain: DrainRate, clock: Clock) -> None:
        drain.busy(True)
        clock.now += 10
        drain.add(10)
        drain.busy(False)
        clock.now += 1000

    assert rate(idle) == pytest.approx(1, rel=0.1)


def test_waits_are_told_by_the_rate() -> None:
    clock = Clock()
    admission = Admission(1e9, 10**9, clock=clock)
    ticket = admission.enter("a")
    ticket.price(1000.0)
    for _ in range(100):
        clock.now += 1
        ticket.spend(0.5)
    assert admission.wait("a", 0) == pytest.approx(950 / 0.5, rel=0.05)
