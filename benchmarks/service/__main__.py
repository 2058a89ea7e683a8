"""``sqrt_mean`` and ``arm_pose`` over HTTP: ours, what people would use, and the least a server can cost.

Needs ``wrk``. Each server is one process, all run at once and are asked by turns; both cores are shared with
the load, so only ratios count. Peers get environments under ``.bench/``, made the first time.
Expected: tens of times the obvious endpoint's matrices a second, and half of the bare server's.
"""

import argparse
import shutil
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from benchmarks.measure import numpy_product, timed
from benchmarks.service.kinds import CONTESTANTS, KINDS, QUICK, Kind
from benchmarks.service.latency import Percentiles, connected
from benchmarks.service.load import check, matrices_per_second
from benchmarks.service.reporting import keep, latencies, rates, text
from benchmarks.service.servers import all_running

SECONDS, ROUNDS, REQUESTS = 4, 5, 2000


def measured(
    kinds: list[Kind], urls: dict[str, str], folder: Path, seconds: int, rounds: int
) -> tuple[dict[str, list[float]], list[float]]:
    """Matrices per second of each kind, round by round, and the matrix product beside them."""
    square, product = numpy_product(), []
    figures: dict[str, list[float]] = defaultdict(list)
    for turn in range(rounds + 1):
        product.append(timed(square))
        for kind in kinds:
            rate = matrices_per_second(kind, urls[kind.server], folder, seconds)
            if turn:  # the first turn warms up
                figures[kind.name].append(rate)
    return dict(figures), product


def quick(urls: dict[str, str], requests: int, rounds: int) -> dict[str, list[Percentiles]]:
    """Microseconds of single requests, round by round."""
    figures: dict[str, list[Percentiles]] = defaultdict(list)
    with ExitStack() as stack:
        connections = {kind.name: stack.enter_context(connected(kind, urls[kind.server])) for kind in QUICK}
        for turn in range(rounds + 1):
            for name, connection in connections.items():
                found = connection.turn(requests)
                if turn:
                    figures[name].append(found)
    return dict(figures)


def main() -> None:
    """Measure, and write ``results/service``; what is shortened is only printed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each turn")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns that count")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each turn of single requests")
    names = [contestant.name for contestant in CONTESTANTS]
    parser.add_argument("--server", nargs="*", choices=names, default=names, help="all by default")
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("this benchmark needs wrk; Debian has it in the package wrk")
    chosen = [contestant for contestant in CONTESTANTS if contestant.name in asked.server]
    with tempfile.TemporaryDirectory() as name, all_running(chosen, Path(name)) as (urls, notes):
        kinds = [kind for kind in KINDS if kind.server in urls]
        for kind in kinds:
            check(kind, urls[kind.server])
        single = quick(urls, asked.requests, asked.rounds) if {"ours", "bare"} <= set(urls) else {}
        figures, product = measured(kinds, urls, Path(name), asked.seconds, asked.rounds)
    parts = [rates(figures, f"{asked.rounds} turns of {asked.seconds} s")]
    if single:
        parts.append(latencies(single, f"{asked.rounds} turns of {asked.requests:,} requests"))
    page = text(product, parts, notes)
    if vars(asked) == {"seconds": SECONDS, "rounds": ROUNDS, "requests": REQUESTS, "server": names}:
        microseconds = {who: [asdict(turn) for turn in turns] for who, turns in single.items()}
        keep(page, {"matrices_per_second": figures, "microseconds": microseconds}, figures)
    else:
        print(page)


if __name__ == "__main__":
    main()
