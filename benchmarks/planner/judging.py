"""Points → how right the planner was: rows of a table, and shares of points. Measures nothing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.planner.asking import Point, Way

CLOSE = 1.15  # auto against the best
WITHIN = 2.0  # a prediction against what was measured
HEAD = (
    "point",
    "n",
    "wrt",
    "best",
    "ms",
    "auto",
    "ms",
    "auto / best",
    "seconds, predicted / measured",
    "bytes, predicted / measured",
)


@dataclass(frozen=True)
class Judged:
    """What ``auto`` took at a point, against the best that was measured.

    Args:
        point: with all ways.
        best: the fastest of those that were measured.
        auto: what was taken.
    """

    point: Point
    best: Way
    auto: Way

    @property
    def slower(self) -> float:
        """How many times longer auto takes than the best."""
        return _seconds(self.auto) / _seconds(self.best)

    @property
    def seconds(self) -> float:
        """Predicted seconds of auto over the measured ones."""
        return self.auto.predicted_seconds / _seconds(self.auto)

    @property
    def bytes(self) -> float:
        """Predicted bytes of auto over the measured ones."""
        return self.auto.predicted_bytes / self.auto.bytes

    @property
    def row(self) -> list[str]:
        """As the table has it."""
        n1, n2 = self.point.n
        return [
            self.point.title,
            f"{n1} × {n2}" if n2 else f"{n1}, x2 left out",
            f"`{self.point.wrt}`",
            self.best.algorithm,
            f"{_seconds(self.best) * 1e3:,.2f}",
            self.auto.algorithm,
            f"{_seconds(self.auto) * 1e3:,.2f}",
            f"{self.slower:.2f}",
            f"{self.seconds:.2f}",
            f"{self.bytes:.2f}",
        ]


def judged(point: Point) -> Judged:
    """Find the best and what auto took; auto is always measured."""
    ways = [way for way in point.ways if way.seconds is not None]
    auto = next(way for way in ways if way.chosen)
    return Judged(point, min(ways, key=_seconds), auto)


def summary(points: Sequence[Judged]) -> dict[str, float]:
    """Shares of points, and the worst: of what auto took, and of the predictions of every way measured."""
    ways = [way for one in points for way in one.point.ways if way.seconds is not None]
    return {
        "points": len(points),
        "auto_close": _share([one.slower <= CLOSE for one in points]),
        "auto_worst": max(one.slower for one in points),
        "seconds_within": _share([_within(one.seconds) for one in points]),
        "bytes_within": _share([1 <= one.bytes <= WITHIN for one in points]),
        "bytes_least": min(one.bytes for one in points),
        "all_seconds_within": _share([_within(way.predicted_seconds / _seconds(way)) for way in ways]),
        "all_bytes_within": _share([1 <= way.predicted_bytes / way.bytes <= WITHIN for way in ways]),
        "ways": len(ways),
    }


def sentence(figures: dict[str, float]) -> str:
    """A summary in words."""
    return (
        f"Of {figures['points']:.0f} points, `auto` is within {CLOSE} × of the best in "
        f"{figures['auto_close']:.0%}, at worst {figures['auto_worst']:.2f} ×. Of what it takes, predicted "
        f"seconds are within {WITHIN:g} × of the measured in {figures['seconds_within']:.0%}, and predicted "
        f"bytes between 1 and {WITHIN:g} × in {figures['bytes_within']:.0%}, at least "
        f"{figures['bytes_least']:.2f} ×. Of all {figures['ways']:.0f} ways measured: seconds "
        f"{figures['all_seconds_within']:.0%}, bytes {figures['all_bytes_within']:.0%}."
    )


def _seconds(way: Way) -> float:
    return math.nan if way.seconds is None else way.seconds


def _within(ratio: float) -> bool:
    return 1 / WITHIN <= ratio <= WITHIN


def _share(those: Sequence[bool]) -> float:
    return sum(those) / len(those)
