"""Clients that hang up anywhere on the way: nothing more is done for them, and nobody else is harmed."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from benchmarks.load.calling import Line, Tally, address, line, once
from benchmarks.load.claims import Part
from benchmarks.load.crowds import about, closed, once_more
from benchmarks.load.questions import ask
from benchmarks.load.service import Target, until, watching

SETTINGS = {"block_seconds": 0.05}
LEAVING_SECONDS = 0.6
BLOCKS = 2  # that still run: the one under way, and the one ahead
QUEUED = 50
PLACE_SECONDS = 0.1
BEGUN_SECONDS = 0.05  # for a block that is let in to be under way on an idle device
STAY_SECONDS = 1.0  # after the crowd is gone
MATES = [address(31, number) for number in range(8)]


@dataclass(frozen=True)
class Length:
    """How many leave.

    Args:
        crowd: together.
        at_a_time: of the crowd.
        single: one after the other.
        examples: of a large kernel.
    """

    crowd: int = 1_000
    at_a_time: int = 100
    single: int = 20
    examples: int = 4_000


SHORT = Length(200, 40, 3, 2_000)


async def leavers(target: Target, length: Length = Length()) -> Part:
    """One at a time, while queued, and in a crowd, beside clients that stay."""
    part = Part(
        "Clients that leave",
        f"{length.single} leave a kernel of {length.examples:,} examples while it computes, one at a time; "
        f"{QUEUED} leave while they are queued; {length.crowd:,} in a crowd of {length.at_a_time} "
        f"leave while they send, wait, compute or read, beside {len(MATES)} that stay.",
    )
    kernel, last = about("network", length.examples), Tally()
    await once_more(target.port, kernel, last)
    blocks = [await _blocks_after(target, length, seed) for seed in range(length.single)]
    part.most("blocks after one left", max(blocks), BLOCKS)
    await _queued(target, part)
    await _crowd(target, length, part)
    await once_more(target.port, kernel, last)
    part.none("wrong last answer", "" if last.counts == {"right": 2} else last.said())
    return part


async def _blocks_after(target: Target, length: Length, seed: int) -> float:
    """Blocks that are begun after a client has left its kernel somewhere in the middle."""
    random = np.random.default_rng(seed)
    before = target.value("jjt_blocks_total")
    async with line(target.port, address(30, seed)) as leaving:
        await leaving.send(ask("network", random, length.examples).request())
        await until(lambda: target.value("jjt_blocks_total") > before)
        await asyncio.sleep(0.1 * random.random())
        leaving.abort()
        await asyncio.sleep(0.001)  # the socket is closed in the next turn of the loop
        left = target.value("jjt_blocks_total")
    await target.rest()
    await asyncio.sleep(0.2)
    return target.value("jjt_blocks_total") - left


async def _queued(target: Target, part: Part) -> None:
    """Leave while somebody else's block keeps the device: nothing is computed, and the places are free."""
    tally, random = Tally(), np.random.default_rng(0)
    lines = [Line(target.port, address(32, number)) for number in range(QUEUED)]
    before = target.value("jjt_blocks_total")
    async with line(target.port, address(33, 0)) as kept:
        running = asyncio.create_task(once(kept, ask("long", random), tally))
        await until(lambda: target.value("jjt_queue_requests") > 0)
        await asyncio.sleep(BEGUN_SECONDS)
        await asyncio.gather(*(each.send(ask("long", random).request()) for each in lines))
        await until(lambda: target.value("jjt_queue_requests") > QUEUED or running.done())
        queued = target.value("jjt_queue_requests") - 1
        for each in lines:
            each.abort()
        await asyncio.sleep(0)
        left = perf_counter()
        await until(lambda: target.value("jjt_queue_requests") <= 1 or running.done())
        free = perf_counter() - left
        early = not running.done()
        await running
    await target.rest()
    computed = target.value("jjt_blocks_total") - before - 1
    part.least("clients that were queued", queued, QUEUED)
    # What was begun ahead while the long block ran cannot be taken back.
    part.most("of them computed, but for the one begun ahead", computed, 1)
    part.most("places free after", free if early else float("inf"), PLACE_SECONDS, " s")
    part.none("wrong answer of the one that stayed", "" if tally.counts == {"right": 1} else tally.said())


async def _crowd(target: Target, length: Length, part: Part) -> None:
    numbers, stays = iter(range(length.crowd)), Tally()

    async def leaving() -> None:
        for number in numbers:
            await _leave(target, np.random.default_rng(number), address(34 + number % 4, number // 4), length)

    async with watching(target) as watch:
        staying = asyncio.create_task(closed(target.port, about("small"), MATES, 3600, stays))
        await asyncio.gather(*(leaving() for _ in range(length.at_a_time)))
        await asyncio.sleep(STAY_SECONDS)
        staying.cancel()
        with suppress(asyncio.CancelledError):
            await staying
        left = target.value("jjt_blocks_total")
        rested, busy = await target.rest()
        await asyncio.sleep(0.2)
    part.most("blocks after all have left", target.value("jjt_blocks_total") - left, BLOCKS)
    part.none("request or turn left over", busy)
    part.none("fault of those that stayed", stays.faults[:3])
    part.least("right answers of those that stayed", stays.counts["right"], len(MATES))
    part.figures |= {
        "memory before, after [MiB]": f"{watch.mib[0]:.0f}, {watch.mib[-1]:.0f}",
        "at rest after [s]": rested,
        "p99 of those that stayed [s]": stays.percentile(99),
    }


async def _leave(target: Target, random: np.random.Generator, source: str, length: Length) -> None:
    """Ask, perhaps only half, and hang up: after a while, or once a part of the answer was read."""
    kind = random.choice(["small", "small", "steady", "network"])
    request = ask(kind, random, length.examples if kind == "network" else None).request()
    share = random.choice((0.5, 1.0, 1.0, 1.0))
    async with line(target.port, source) as kept:
        with suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
            async with asyncio.timeout(LEAVING_SECONDS * random.random()):
                reader = await kept.send(request[: int(share * len(request))])
                await reader.readexactly(int(random.integers(1, 1 << 16)))
