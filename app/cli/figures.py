"""What a load run measured -> percentiles, a table, bars and a file. Sends nothing, reads no clock."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.table import Table

RIGHT = "200"
UNFINISHED = "unfinished"
BAR = 40


@dataclass(frozen=True)
class Sample:
    """One request: how long it took, and what came of it.

    Args:
        seconds: from its first byte to the last one of its answer.
        outcome: ``RIGHT``; the status and code of a problem, such as ``429 queue_full``; or what broke.
    """

    seconds: float
    outcome: str


@dataclass(frozen=True)
class Percentiles:
    """Of the seconds that right answers took, in milliseconds; NaN where there was none."""

    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True)
class Step:
    """One format at one concurrency.

    Args:
        format: of the requests.
        concurrency: requests under way at once.
        seconds: of the clock, from the first request to the last answer.
        per_second: right answers in a second.
        latency: of right answers.
        outcomes: how many requests ended in what way.
        tool_cpu: share of one core that the tool itself took, from 0 to 1 or a little more.
    """

    format: str
    concurrency: int
    seconds: float
    per_second: float
    latency: Percentiles
    outcomes: dict[str, int]
    tool_cpu: float


def percentiles(seconds: Sequence[float]) -> Percentiles:
    """The percentiles of some latencies, interpolated between neighbours."""
    if not seconds:
        return Percentiles(*[float("nan")] * 4)
    found = np.percentile(np.asarray(seconds) * 1e3, (50, 90, 99, 100))
    return Percentiles(*map(float, found))


def step(
    kind: str,
    concurrency: int,
    seconds: float,
    samples: Iterable[Sample],
    unfinished: int,
    cpu_seconds: float,
) -> Step:
    """Put the samples of one step together.

    Args:
        kind: the format.
        concurrency: as in ``Step``.
        seconds: as in ``Step``, above 0.
        samples: of the requests that ended.
        unfinished: requests that were given up when the step was over.
        cpu_seconds: that the tool took meanwhile.
    """
    samples = list(samples)
    right = [sample.seconds for sample in samples if sample.outcome == RIGHT]
    outcomes = Counter(sample.outcome for sample in samples)
    if unfinished:
        outcomes[UNFINISHED] = unfinished
    return Step(
        kind,
        concurrency,
        seconds,
        len(right) / seconds,
        percentiles(right),
        dict(sorted(outcomes.items())),
        cpu_seconds / seconds,
    )


def counted(outcomes: dict[str, int]) -> str:
    """Outcomes in one line, such as ``200: 812, 429 queue_full: 14``."""
    return ", ".join(f"{outcome}: {count}" for outcome, count in outcomes.items()) or "nothing"


def table(steps: Iterable[Step]) -> Table:
    """The steps as rows, for a terminal."""
    numbers = ("at once", "answers/s", "p50 ms", "p90 ms", "p99 ms", "max ms", "tool's CPU")
    shown = Table("format", box=None, pad_edge=False)
    for head in numbers:
        shown.add_column(head, justify="right", no_wrap=True)
    shown.add_column("answers by status and code")
    for each in steps:
        latency = asdict(each.latency).values()
        shown.add_row(
            each.format,
            str(each.concurrency),
            f"{each.per_second:.1f}",
            *("–" if value != value else f"{value:.2f}" for value in latency),
            f"{each.tool_cpu:.0%}",
            counted(each.outcomes),
        )
    return shown


def bars(steps: Sequence[Step], width: int = BAR) -> str:
    """Right answers a second over concurrency, as bars of text from zero on one scale for all formats."""
    longest = max((each.per_second for each in steps), default=0.0) or 1.0
    lines = ["answers a second, by requests at once"]
    for kind in dict.fromkeys(each.format for each in steps):
        lines += ["", kind]
        for each in (each for each in steps if each.format == kind):
            bar = "█" * round(width * each.per_second / longest)
            lines.append(f"{each.concurrency:>6} {bar:<{width}} {each.per_second:.1f}")
    return "\n".join(lines)


def as_json(about: dict[str, Any], steps: Iterable[Step]) -> str:
    """All figures in one document; what could not be measured is null."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items()}
        return None if isinstance(value, float) and value != value else value

    return json.dumps({**about, "steps": [plain(asdict(each)) for each in steps]}, indent=1) + "\n"


def as_csv(steps: Iterable[Step]) -> str:
    """The figures in rows, one a step, with the outcomes as one cell."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    latency = Percentiles.__dataclass_fields__
    writer.writerow(["format", "concurrency", "seconds", "per_second", *latency, "tool_cpu", "outcomes"])
    for each in steps:
        figures = (each.seconds, each.per_second, *asdict(each.latency).values(), each.tool_cpu)
        writer.writerow([each.format, each.concurrency, *figures, counted(each.outcomes)])
    return file.getvalue()
