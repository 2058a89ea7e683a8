"""A process, sampled from outside -> slopes over the second half of a run, held against bounds."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import httpx
import numpy as np

MIB = 1 << 20
LONG_SECONDS = 45.0
SPARE_FILES = 2  # a connection that is just being closed


@dataclass(frozen=True)
class Sample:
    """One look at the process.

    Args:
        seconds: since the traffic began.
        memory_mib: resident.
        files: open descriptors.
        threads: of the process.
        code: mappings of machine code that no file stands behind: those of compiled programs.
        in_flight: requests that it says it is answering.
    """

    seconds: float
    memory_mib: float
    files: int
    threads: int
    code: int
    in_flight: int


@dataclass(frozen=True)
class Verdict:
    """What one measure did over the second half.

    Args:
        measure: its name.
        first: its mean over the first tenth of the half.
        last: its mean over the last tenth.
        per_minute: its slope, by least squares.
        bound: what it was held against, in words.
        holds: whether it stayed within.
    """

    measure: str
    first: float
    last: float
    per_minute: float
    bound: str
    holds: bool


def look(pid: int, metrics: str, began: float) -> Sample:
    """Sample a process and the text of its metrics; ``began`` is a time of ``time.monotonic``."""
    folder = Path(f"/proc/{pid}")
    status = (folder / "status").read_text()
    maps = (folder / "maps").read_text().splitlines()
    return Sample(
        time.monotonic() - began,
        int(status.split("VmRSS:")[1].split()[0]) / 1024,
        len(list((folder / "fd").iterdir())),
        int(status.split("Threads:")[1].split()[0]),
        sum("x" in line.split(maxsplit=2)[1] and len(line.split()) == 5 for line in maps),
        int(value_of(metrics, "jjt_requests_in_flight")),
    )


def value_of(metrics: str, name: str) -> float:
    """The sum of a metric over its labels."""
    return sum(float(n) for n in re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", metrics, re.MULTILINE))


def metrics_of(client: httpx.Client) -> str:
    """The metrics of a service as text."""
    return client.get("/metrics").text


def slope(seconds: Sequence[float], values: Sequence[float]) -> float:
    """What a measure gains in a minute, by least squares."""
    return float(np.polyfit(np.asarray(seconds) / 60, np.asarray(values), 1)[0])


def judged(samples: Sequence[Sample]) -> list[Verdict]:
    """The second half of a run against the bounds.

    Memory: less than 1 MiB a minute, or 5 % over the half. The others: as many at the end as at the
    beginning, but for what comes and goes. A half of less than ``LONG_SECONDS`` is too short for that: there
    memory alone is judged, and is allowed a quarter, for what is compiled meanwhile.
    """
    half = [sample for sample in samples if sample.seconds >= samples[-1].seconds / 2]
    minutes = (half[-1].seconds - half[0].seconds) / 60
    short = minutes * 60 < LONG_SECONDS
    share = 0.25 if short else 0.05

    def memory(first: float, rate: float) -> bool:
        return rate * minutes < share * first or (rate < 1.0 and not short)

    def flat(first: float, rate: float) -> bool:
        return rate * minutes <= max(4.0, 0.1 * first)

    in_words = f"{share:.0%} over the half" + ("" if short else ", or 1 MiB a minute")
    bounds: dict[str, tuple[str, Callable[[float, float], bool]]] = {"memory_mib": (in_words, memory)}
    if not short:
        bounds |= dict.fromkeys(("files", "threads", "code"), ("4, or a tenth", flat))
    return [_verdict(half, name, *bound) for name, bound in bounds.items()]


def at_rest(before: Sample, now: Sample) -> bool:
    """Whether nothing is under way, and no more descriptors are open than before anybody came."""
    return now.in_flight <= before.in_flight and now.files <= before.files + SPARE_FILES


def _verdict(half: Sequence[Sample], name: str, words: str, holds: Callable[[float, float], bool]) -> Verdict:
    values = [float(getattr(sample, name)) for sample in half]
    tenth = max(len(values) // 10, 1)
    first, last = float(np.mean(values[:tenth])), float(np.mean(values[-tenth:]))
    rate = slope([sample.seconds for sample in half], values)
    return Verdict(name, first, last, rate, words, holds(first, rate))


def columns(samples: Sequence[Sample], most: int = 12) -> list[list[str]]:
    """Some samples, evenly spread, as rows of text, with a heading."""
    places = np.unique(np.linspace(0, len(samples) - 1, most).round().astype(int))
    names = [field.name for field in fields(Sample)]
    return [names, *([f"{getattr(samples[place], name):.0f}" for name in names] for place in places)]
