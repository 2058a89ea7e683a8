"""Ten times what the service can do: it does what it can, soon, and says no to the rest at once."""

from dataclasses import dataclass

import numpy as np

from benchmarks.load.calling import RIGHT, Tally, address
from benchmarks.load.claims import Part
from benchmarks.load.crowds import about, closed, once_more, opened
from benchmarks.load.service import Target, watching

SETTINGS = {"queue_seconds": 0.5, "block_seconds": 0.05}
TIMES = 10
DRAW = about("steady")
CLIENTS = [address(10, number) for number in range(40)]


@dataclass(frozen=True)
class Length:
    """Seconds of each step."""

    closed: float = 10.0
    open: float = 60.0


SHORT = Length(2.0, 5.0)


async def overload(target: Target, length: Length = Length(), clients: int = 40) -> Part:
    """Unloaded, at the peak, at ten times the peak, at the peak again, and one last question."""
    port, sources = target.port, CLIENTS[:clients]
    part = Part(
        f"Overload, {clients} client{'s' if clients > 1 else ''}",
        f"`steady` at {TIMES} times the peak rate, at random times, for {length.open:g} s; "
        f"`JJT_QUEUE_SECONDS={SETTINGS['queue_seconds']}`.",
    )
    alone, peak, loaded, last = Tally(), Tally(), Tally(), Tally()
    await closed(port, DRAW, CLIENTS[:2], length.closed / 2, Tally())  # warm
    await closed(port, DRAW, CLIENTS[:1], length.closed, alone)
    rates = {n: await closed(port, DRAW, CLIENTS[:n], length.closed / 2, peak) for n in (2, 4, 8)}
    most = max(rates, key=lambda n: rates[n])
    async with watching(target) as watch:
        rate = await opened(port, DRAW, sources, TIMES * rates[most], length.open, loaded)
    rested, busy = await target.rest()
    again = await closed(port, DRAW, CLIENTS[:most], length.closed / 2, peak)
    await once_more(port, DRAW, last)
    capacity = (rates[most] + again) / 2
    bound = 3 * alone.percentile(99) + SETTINGS["queue_seconds"]
    part.most("p99 of the answered, to 3 × unloaded p99 + queue", loaded.percentile(99), bound, " s")
    part.least("right answers, of the peak before and after", rate / capacity, 0.9)
    part.most("growth of memory", watch.grown, 0.05 * watch.mib[-1], " MiB")
    part.none("fault, or refusal without Retry-After", [*loaded.faults, *alone.faults, *peak.faults][:3])
    part.none("request under way afterwards", busy)
    part.none("wrong last answer", "" if last.counts == {RIGHT: 1} else last.said())
    part.figures |= {
        "unloaded p50 [s]": alone.percentile(50),
        "unloaded p99 [s]": alone.percentile(99),
        "peak [1/s]": capacity,
        "offered [1/s]": loaded.total / length.open,
        "answered [1/s]": rate,
        "loaded p50 [s]": loaded.percentile(50),
        "refusals, p99 [s]": float(np.percentile(loaded.refused_seconds or [0.0], 99)),
        "requests sent late, p99 [s]": float(np.percentile(loaded.late, 99)),
        "at rest after [s]": rested,
        "what came": dict(loaded.counts),
    }
    return part
