"""How right ``auto`` is, cold: each point of a grid is planned, then every algorithm is measured there.

Expected: ``auto`` within 1.15 × of the best in nine points of ten and never past 2 ×; predicted seconds
within 2 × of the measured, and predicted bytes between 1 and 2 × of them, in nine of ten each.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import jax

from app.cli.allocating import keep_memory
from app.engine import Engine
from benchmarks.device import described, named, product
from benchmarks.measure import timed
from benchmarks.planner.asking import TURN_SECONDS, TURNS, Point, measured
from benchmarks.planner.grid import GRID, Row
from benchmarks.planner.judging import HEAD, Judged, judged, sentence, summary
from benchmarks.report import table, write


def main() -> None:
    """Measure the grid, and write ``results/planner``; nothing is written for a part of it."""
    options = _options()
    rows = [row for row in GRID if options.only.lower() in row.title.lower()]
    if not rows:
        sys.exit(f"{options.only!r} is in no title; there are: {'; '.join(row.title for row in GRID)}")
    keep_memory()
    engine = Engine(block_seconds=options.block_seconds)
    rates = engine.calibrate()
    products: list[float] = []
    points, lines = [], []
    for point in _points(engine, rows, products):
        points.append(judged(point))
        lines += _lines(point)
        print(" | ".join(points[-1].row), flush=True)
        if options.json:  # all so far, so that a run that is stopped leaves what it measured
            options.json.write_text("".join(json.dumps(line) + "\n" for line in [{"rates": rates}, *lines]))
    figures = {"rates": rates, "block_seconds": options.block_seconds, **summary(points), "ways_at": lines}
    if options.only:
        print(sentence(summary(points)))
    else:
        write(named("planner"), _page(points, products, options.block_seconds), figures)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planner", description=__doc__)
    parser.add_argument("--only", default="", metavar="TITLE", help="functions with this in their titles")
    parser.add_argument("--json", type=Path, metavar="FILE", help="a line for every algorithm at every point")
    parser.add_argument("--block-seconds", type=float, default=0.1, help="predicted seconds of one block")
    return parser.parse_args()


def _points(engine: Engine, rows: list[Row], seconds: list[float]) -> Iterator[Point]:
    """All points, a matrix product timed beside each function."""
    beside = product()
    for row in rows:
        seconds.append(timed(beside))
        yield from measured(engine, row)
        # Executables of other functions make no point slower, but their code takes memory.
        jax.clear_caches()


def _lines(point: Point) -> list[dict[str, object]]:
    """A flat record of each way, from which a cost model can be fitted."""
    at = {name: value for name, value in asdict(point).items() if name != "ways"}
    return [{**at, **asdict(way), "bytes": way.bytes} for way in point.ways]


def _page(points: list[Judged], products: list[float], block_seconds: float) -> str:
    note = (
        "The device was measured first, and no point was seen before it was planned; blocks of "
        f"{block_seconds:g} s. Times are to the last block in host memory, the least of the calls of up to "
        f"{TURNS} turns, each of them of {TURN_SECONDS:g} s or one call. "
        "Measured bytes are the temporaries of the largest program by the compiler's own count, and the "
        "blocks of the answer at hand: two, or one where that is the answer."
    )
    head, body = list(HEAD), [one.row for one in points]
    return (
        f"# Planner\n\n{described(products)}.\n\n{note}\n\n{sentence(summary(points))}\n\n{table(head, body)}"
    )


if __name__ == "__main__":
    main()
