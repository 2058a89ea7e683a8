"""Clients that give up too soon and ask again, and again: the service still answers what it can."""

import asyncio
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from benchmarks.load.calling import RIGHT, Tally, address, line, once
from benchmarks.load.claims import Part
from benchmarks.load.crowds import about, closed, once_more
from benchmarks.load.service import Target, watching

SETTINGS = {"block_seconds": 0.05}
QUEUES = (0.5, 30.0)  # seconds: less than the clients wait, and far more
CLIENTS = [address(50, number) for number in range(60)]
RETRIES, PAUSE_SECONDS = 5, 0.3
DRAW = about("steady")


@dataclass(frozen=True)
class Length:
    """Seconds of the storm, and of what it is compared with; and after how many a client gives up."""

    seconds: float = 30.0
    closed: float = 10.0
    patience: float = 1.0


SHORT = Length(5.0, 2.0)


async def storm(target: Target, length: Length = Length(), queue: str = "0.5") -> Part:
    """The peak; then many clients with little patience, and five retries each."""
    part = Part(
        f"Retry storm, JJT_QUEUE_SECONDS={queue}",
        f"{len(CLIENTS)} clients send `steady` one after the other, give up after {length.patience:g} s, and "
        f"ask the same up to {RETRIES} times more, {PAUSE_SECONDS:g} s after whatever was no answer.",
    )
    peak, loaded, last = Tally(), Tally(), Tally()
    await closed(target.port, DRAW, CLIENTS[:4], length.closed / 2, Tally())
    before = await closed(target.port, DRAW, CLIENTS[:4], length.closed, peak)
    async with watching(target) as watch:
        began = perf_counter()
        await asyncio.gather(
            *(_stubborn(target, number, began, length, loaded) for number in range(len(CLIENTS)))
        )
        goodput = loaded.counts[RIGHT] / (perf_counter() - began)
    rested, busy = await target.rest()
    after = await closed(target.port, DRAW, CLIENTS[:4], length.closed, peak)
    await once_more(target.port, DRAW, last)
    capacity = (before + after) / 2
    part.least("right answers in time, of the peak before and after", goodput / capacity, 0.8)
    part.most("growth of memory", watch.grown, 0.05 * watch.mib[-1], " MiB")
    part.none("fault", [*loaded.faults, *peak.faults][:3])
    part.none("request under way afterwards", busy)
    part.none("wrong last answer", "" if last.counts == {RIGHT: 1} else last.said())
    part.figures |= {
        "peak [1/s]": capacity,
        "right answers [1/s]": goodput,
        "at rest after [s]": rested,
        "what came": dict(loaded.counts),
    }
    return part


async def _stubborn(target: Target, number: int, began: float, length: Length, tally: Tally) -> None:
    random = np.random.default_rng(number)
    async with line(target.port, CLIENTS[number]) as kept:
        while perf_counter() < began + length.seconds:
            question = DRAW(random)
            for _ in range(1 + RETRIES):
                if await once(kept, question, tally, length.patience) == RIGHT:
                    break
                await asyncio.sleep(PAUSE_SECONDS)
                if perf_counter() > began + length.seconds:
                    return
