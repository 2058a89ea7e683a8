"""Figures of turns → tables, notes and the plot in ``results/service.*``."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measure import machine, spread
from benchmarks.report import bars, table, write
from benchmarks.service.kinds import LIMITS
from benchmarks.service.latency import Percentiles
from benchmarks.service.load import CONNECTIONS

OBVIOUS = "obvious, JSON"


def rates(figures: Mapping[str, list[float]], each: str) -> str:
    """The table of matrices a second, each kind beside the obvious endpoint and beside its limit."""
    rows = []
    for kind, found in figures.items():
        cells = [kind, f"{spread(found):.0f}"]
        for other, form in ((OBVIOUS, ".1f"), (LIMITS.get(kind), ".2f")):
            known = figures.get(other or "")
            cells.append(f"{_ratio(found, known):{form}}" if known else "")
        rows.append(cells)
    head = ["", "matrices/s (quartiles)", "times the obvious endpoint's", "share of the bare server's"]
    about = f"`sqrt_mean`, 2 × 10,000 numbers a request, {CONNECTIONS} connections, {each}."
    return f"{about}\n\n{table(head, rows)}"


def latencies(figures: Mapping[str, Sequence[Percentiles]], each: str) -> str:
    """The table of microseconds, and what ours takes more than the bare server."""
    rows = []
    for name in ("p50", "p99"):
        ours, bare = ([getattr(turn, name) for turn in figures[who]] for who in ("ours", "bare"))
        added = spread([a - b for a, b in zip(ours, bare, strict=True)])
        rows.append([name, f"{spread(ours):.0f}", f"{spread(bare):.0f}", f"{added:.0f}"])
    about = f"`arm_pose`, 7 angles in JSON, one connection, {each}; microseconds."
    return f"{about}\n\n{table(['', 'ours (quartiles)', 'bare server', 'added by ours'], rows)}"


def text(product: Sequence[float], parts: Sequence[str], notes: Sequence[str]) -> str:
    """The page."""
    return "\n\n".join(["# Service", f"{machine(list(product))}.", *parts, *notes])


def keep(page: str, figures: Mapping[str, Any], found: Mapping[str, list[float]]) -> None:
    """Write page, figures and plot."""
    write("service", page, figures)
    medians = {kind: spread(each).median for kind, each in found.items()}
    bars("service", "Matrices per second", "matrices per second", {"sqrt_mean": medians})


def _ratio(found: list[float], known: list[float]) -> Any:
    return spread([rate / other for rate, other in zip(found, known, strict=True)])
