"""A lane runs calls in their order, on one thread, and can be left."""

import asyncio
import threading
import time

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


def test_closing_drops_what_is_queued_and_says_whether_the_thread_ended() -> None:
    lane, release = Lane("test"), threading.Event()
    lane.submit(release.wait, 10)
    time.sleep(0.05)
    queued = lane.submit(str, "never")
    assert not lane.close(0.05)
    assert queued.cancelled()
    release.set()
    assert lane.close(5)
