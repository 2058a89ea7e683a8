"""One client asks for much, others for little: theirs is answered nearly as if they were alone."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.load.calling import Tally, address, quiet
from benchmarks.load.claims import Part
from benchmarks.load.crowds import Draw, about, closed
from benchmarks.load.service import Target

BLOCK_SECONDS = 0.05
SETTINGS = {"block_seconds": BLOCK_SECONDS}
GREEDY = address(20, 0)
SMALL = [address(21, number) for number in range(20)]
POLITE = [address(22, 0)]
KERNELS, REQUESTS = 2, 100  # that the greedy client has under way


@dataclass(frozen=True)
class Length:
    """Of the steps.

    Args:
        seconds: of each turn, alone and beside.
        turns: of both.
        examples: of a kernel.
        pause: of the polite client between two requests, in seconds.
    """

    seconds: float = 15.0
    turns: int = 2
    examples: int = 4_000
    pause: float = 1.0


SHORT = Length(3.0, 1, 3_000, 0.2)


@dataclass(frozen=True)
class _Compared:
    alone: Tally
    beside: Tally
    greedy: Tally


async def kernels(target: Target, length: Length = Length()) -> Part:
    """Kernels of thousands of examples from one client, single small requests from twenty."""
    part = Part(
        "Fairness: large kernels beside small requests",
        f"One client has {KERNELS} kernels of {length.examples:,} examples under way; "
        f"{len(SMALL)} others send `small` with pauses; by turns without and with "
        f"it. `JJT_BLOCK_SECONDS={BLOCK_SECONDS}`.",
    )
    greedy, few = about("network", length.examples), about("small")
    found = await _compared(target, greedy, [GREEDY] * KERNELS, few, SMALL, 0.2, length)
    bound = 5 * found.alone.percentile(99) + 2 * BLOCK_SECONDS
    part.most("p99 beside, to 5 × alone + two blocks", found.beside.percentile(99), bound, " s")
    return _told(part, found, 99)


async def requests(target: Target, length: Length = Length()) -> Part:
    """A hundred requests at once from one client, one now and then from another."""
    part = Part(
        "Fairness: a hundred requests beside one",
        f"One client has {REQUESTS} requests `steady` under way, the polite one sends one every "
        f"{length.pause:g} s; by turns without and with it. `JJT_BLOCK_SECONDS={BLOCK_SECONDS}`.",
    )
    draw = about("steady")
    found = await _compared(target, draw, [GREEDY] * REQUESTS, draw, POLITE, length.pause, length)
    block = max(BLOCK_SECONDS, found.alone.percentile(50))  # one request is one block
    bound = 2 * found.alone.percentile(95) + 2 * block
    part.most("p95 beside, to 2 × alone + two blocks", found.beside.percentile(95), bound, " s")
    return _told(part, found, 95)


async def _compared(
    target: Target,
    much: Draw,
    greedy: Sequence[str],
    few: Draw,
    others: Sequence[str],
    pause: float,
    length: Length,
) -> _Compared:
    port, found = target.port, _Compared(Tally(), Tally(), Tally())
    await closed(port, much, greedy[:1], 0.01, Tally())  # compiled
    await closed(port, few, others, 0.5, Tally())
    for _ in range(length.turns):
        await closed(port, few, others, length.seconds, found.alone, pause)
        work = asyncio.create_task(closed(port, much, greedy, 3600, found.greedy))
        try:
            await asyncio.sleep(1.0)
            await closed(port, few, others, length.seconds, found.beside, pause)
        finally:
            await quiet([work])
        await target.rest()
    return found


def _told(part: Part, found: _Compared, percent: int) -> Part:
    faults = [*found.alone.faults, *found.beside.faults, *found.greedy.faults]
    refused = {*found.beside.counts} - {"right"}
    part.none("fault", faults[:3])
    part.none("refusal of the others", refused and found.beside.said())
    part.least("answers to the greedy client", len(found.greedy.seconds), 1)
    part.figures |= {
        "alone p50 [s]": found.alone.percentile(50),
        f"alone p{percent} [s]": found.alone.percentile(percent),
        "beside p50 [s]": found.beside.percentile(50),
        f"beside p{percent} [s]": found.beside.percentile(percent),
        "requests alone, beside": f"{found.alone.total}, {found.beside.total}",
        "what came to the greedy client": dict(found.greedy.counts),
    }
    return part
