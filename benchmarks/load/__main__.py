"""Starts services of its own, loads them in every way there is here, and holds them to what is expected.

``python -m benchmarks.load`` runs all parts and writes ``results/load``; named parts, and ``--short``, which
takes a few seconds for each, are only printed. Exits 1 if something was not as expected. Every answer is
checked.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from benchmarks.load import ends, fairness, leavers, overload, storm, streams
from benchmarks.load.claims import Part
from benchmarks.load.service import serving
from benchmarks.measure import machine, numpy_product, timed
from benchmarks.report import table, write

Run = Callable[[Path, bool], list[Part]]


def _overload(folder: Path, short: bool) -> list[Part]:
    length = overload.SHORT if short else overload.Length()
    with serving(folder, **overload.SETTINGS) as service:
        return [asyncio.run(overload.overload(service.target, length, clients)) for clients in (1, 40)]


def _fairness(folder: Path, short: bool) -> list[Part]:
    length = fairness.SHORT if short else fairness.Length()
    with serving(folder, **fairness.SETTINGS) as service:
        return [asyncio.run(part(service.target, length)) for part in (fairness.kernels, fairness.requests)]


def _leavers(folder: Path, short: bool) -> list[Part]:
    with serving(folder, **leavers.SETTINGS) as service:
        return [asyncio.run(leavers.leavers(service.target, leavers.SHORT if short else leavers.Length()))]


def _ends(folder: Path, short: bool) -> list[Part]:  # noqa: ARG001 - it takes what starts take
    return [asyncio.run(ends.ends(folder))]


def _streams(folder: Path, short: bool) -> list[Part]:
    with serving(folder, **streams.SETTINGS) as service:
        return [asyncio.run(streams.streams(service.target, streams.SHORT if short else streams.Length()))]


def _storm(folder: Path, short: bool) -> list[Part]:
    found = []
    length = storm.SHORT if short else storm.Length()
    for queue_seconds in storm.QUEUES:
        with serving(folder, **storm.SETTINGS | {"queue_seconds": queue_seconds}) as service:
            found.append(asyncio.run(storm.storm(service.target, length, f"{queue_seconds:g}")))
    return found


PARTS: dict[str, Run] = {
    "overload": _overload,
    "fairness": _fairness,
    "leavers": _leavers,
    "ends": _ends,
    "stream": _streams,
    "storm": _storm,
}


def report(parts: list[Part], speed: str) -> str:
    """All parts in Markdown."""
    text = [
        "# Load",
        f"{speed}. The clients run on the same cores as the service.",
        "Every answer was checked.",
    ]
    for part in parts:
        claims = [[each.expected, each.measured, "yes" if each.holds else "**no**"] for each in part.claims]
        text += [f"## {part.title}", part.about, table(["expected", "measured", "holds"], claims)]
        named = {claim.expected.partition(" ≤ ")[0].partition(" ≥ ")[0] for claim in part.claims}
        rows = [[what, _worded(value)] for what, value in part.figures.items() if what not in named]
        text += [table(["beside it", ""], rows)] if rows else []
    return "\n\n".join(text)


def _worded(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {count:,}" for name, count in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> int:
    """Run it.

    Returns:
        0 if all is as expected.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--short", action="store_true", help="a few seconds a part; nothing is written")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    square, found = numpy_product(), []
    speeds = [timed(square) for _ in range(3)]
    for name in asked.parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            print(f"{name} …", file=sys.stderr, flush=True)
            found += PARTS[name](Path(folder), asked.short)
        speeds += [timed(square) for _ in range(3)]
    text = report(found, machine(speeds))
    if asked.short or asked.parts:
        print(text)
    else:
        write("load", text, [asdict(part) for part in found])
    broken = [line for part in found for line in part.broken]
    print("\n".join(["", *broken] if broken else ["", "All is as expected."]), file=sys.stderr)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
