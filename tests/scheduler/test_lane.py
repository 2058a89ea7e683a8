"""A lane runs calls in their order, on one thread, and can be left."""

import asyncio
import threading
import time
import weakref
from collections.abc import Callable

import pytest

from app.scheduler import Lane


def test_calls_run_in_order_on_one_thread() -> None:
    lane, seen = Lane("test"), []

    def call(number: int) -> int:
        seen.append((number, threading.current_thread().name))
        return number * number

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(lane.run(call, number) for number in range(20)))

    assert asyncio.run(all_of_them()) == [number * number for number in range(20)]
    assert seen == [(number, "test") for number in range(20)]
    assert lane.close(1)


def test_a_call_that_is_cancelled_in_the_queue_never_runs() -> None:
    lane, release, ran = Lane("test"), threading.Event(), []

    async def leave_the_queue() -> None:
        first = asyncio.ensure_future(lane.run(release.wait, 10))
        second = asyncio.ensure_future(lane.run(ran.append, "second"))
        third = asyncio.ensure_future(lane.run(ran.append, "third"))
        await asyncio.sleep(0.05)
        second.cancel()
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(first, third)

    asyncio.run(leave_the_queue())
    assert ran == ["third"]
    assert lane.close(1)


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_what_a_call_raises_reaches_whoever_awaits_and_nobody_else(error: BaseException) -> None:
    lane = Lane("test")

    def fail() -> None:
        raise error

    async def await_both() -> str:
        with pytest.raises(type(error) if isinstance(error, Exception) else RuntimeError):
            await lane.run(fail)
        return await lane.run(str, "alive")

    assert asyncio.run(await_both()) == "alive"
    assert lane.close(1)


def test_the_seconds_of_each_call_are_told_for_its_client_also_of_one_that_raises() -> None:
    told: list[tuple[str, float]] = []
    lane = Lane("test", lambda client, seconds: told.append((client, seconds)))

    def fail() -> None:
        time.sleep(0.02)
        raise ValueError

    async def both() -> None:
        await lane.run(time.sleep, 0.03, client="lab")
        with pytest.raises(ValueError):  # noqa: PT011
            await lane.run(fail, client="room")

    asyncio.run(both())
    assert lane.close(1)
    assert [client for client, _ in told] == ["lab", "room"]
    assert all(least <= seconds < least + 1 for (_, seconds), least in zip(told, (0.03, 0.02), strict=True))


def test_closing_drops_what_is_queued_and_says_whether_the_thread_ended() -> None:
    lane, release = Lane("test"), threading.Event()
    lane.submit(release.wait, 10)
    time.sleep(0.05)
    queued = lane.submit(str, "never")
    assert not lane.close(0.05)
    assert queued.cancelled()
    release.set()
    assert lane.close(5)


class Noted:
    """A turn that notes when it begins and lands, and may raise."""

    kind = None
    alone = False
    light = False
    client = "somebody"
    seconds = 0.01

    def __init__(self, name: str, seen: list[str], raises: str = "") -> None:
        self.name, self.seen, self.raises = name, seen, raises

    def begin(self) -> Callable[[], None]:
        self.note("begins")
        return lambda: self.note("lands")

    def note(self, what: str) -> None:
        self.seen.append(f"{self.name} {what}")
        if self.raises == what:
            raise SystemExit(1)

    def drop(self) -> None:
        self.seen.append(f"{self.name} is dropped")


def noted(*turns: Noted, alone: bool = False, lane: Lane | None = None) -> None:
    """Let turns stand in line together, and wait for their end."""
    lane, held = lane or Lane("test"), threading.Event()
    lane.submit(held.wait, 10)
    for turn in turns:
        turn.alone = alone
        lane.put(turn)
    held.set()
    lane.submit(int, client="somebody").result(10)
    assert lane.close(5)


def test_one_turn_is_in_flight_while_the_next_begins() -> None:
    seen: list[str] = []
    noted(*(Noted(name, seen) for name in "abc"))
    assert seen == ["a begins", "b begins", "a lands", "c begins", "b lands", "c lands"]


def test_a_turn_that_is_alone_waits_until_what_is_in_flight_has_landed() -> None:
    seen: list[str] = []
    noted(*(Noted(name, seen) for name in "abc"), alone=True)
    assert seen == [f"{name} {what}" for name in "abc" for what in ("begins", "lands")]


def test_who_comes_while_a_turn_that_is_alone_is_in_flight_is_before_its_clients_next() -> None:
    seen: list[str] = []
    lane, late = Lane("test"), Noted("late", seen)
    late.client, late.alone = "another", True

    class Awaited(Noted):
        def note(self, what: str) -> None:
            if what == "lands":
                lane.put(late)
            super().note(what)

    noted(Awaited("first", seen), Noted("second", seen), alone=True, lane=lane)
    assert [each for each in seen if "begins" in each] == ["first begins", "late begins", "second begins"]


@pytest.mark.parametrize("alone", [True, False])
def test_an_idle_lane_keeps_nothing_of_the_turn_that_was_last(alone: bool) -> None:
    lane, turn = Lane("test"), Noted("last", [])
    turn.alone = alone
    left = weakref.ref(turn)
    lane.put(turn)
    del turn
    limit = time.monotonic() + 10
    while left() is not None:
        assert time.monotonic() < limit
        time.sleep(0.01)
    assert lane.close(5)


@pytest.mark.parametrize("what", ["begins", "lands"])
def test_a_turn_that_raises_ends_itself_and_not_the_lane(what: str) -> None:
    seen: list[str] = []
    noted(Noted("a", seen, raises=what), Noted("b", seen))
    assert seen[-1] == "b lands"


def test_what_waits_when_the_lane_closes_is_dropped() -> None:
    lane, held, seen = Lane("test"), threading.Event(), []
    lane.submit(held.wait, 10)
    time.sleep(0.05)
    lane.put(Noted("a", seen))
    assert not lane.close(0.05)
    lane.put(Noted("b", seen))
    held.set()
    assert lane.close(5)
    assert seen == ["a is dropped", "b is dropped"]
