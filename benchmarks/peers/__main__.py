"""Our engine and what people use today for J(x1) J(x2)ᵀ with respect to parameters, by turns in one run.

Each peer runs in a process and an environment of its own, with the same weights and inputs, in float32; its
matrix is held against ours before anything is timed. Of each, ours included, the fastest of its ways in three
rounds is the one that is timed. Expected: ahead of every peer on every case.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.device import named
from benchmarks.peers.cases import CASES
from benchmarks.peers.comparing import Comparison, Measured
from benchmarks.peers.presenting import figures, groups, text
from benchmarks.peers.workers import PEERS
from benchmarks.report import bars, write

SECONDS = 30.0
LEAST_TURNS = 5


def main() -> None:
    """Measure, and write ``results/peers``; a part of the cases is only printed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("case", nargs="*", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of the turns of each case, about")
    parser.add_argument("--least", type=int, default=LEAST_TURNS, help="turns at least")
    parser.add_argument(
        "--peer", nargs="*", help=f"of {', '.join(peer.name for peer in PEERS)}; all by default"
    )
    parser.add_argument("--here", action="store_true", help="peers run in this environment, which has them")
    asked = parser.parse_args()
    peers = [peer for peer in PEERS if not asked.peer or peer.name in asked.peer]
    if asked.here:
        peers = [replace(peer, environment="") for peer in peers]
    if unknown := set(asked.case) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    results: list[Measured] = []
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(Path(folder), asked.seconds, asked.least, peers)
        for name in asked.case or CASES:
            results.append(comparison.measured(CASES[name]))
            print(text(results[-1:]), file=sys.stderr, flush=True)
            if not asked.case:  # after each: a run of half an hour may be stopped
                keep(results)
    if asked.case:
        print(text(results))


def keep(results: list[Measured]) -> None:
    """Write the table, the figures and the bars."""
    write(named("peers"), text(results), figures(results))
    bars(
        named("peers"),
        "J(x1) J(x2)ᵀ by parameters: ours and what people use",
        "ms, less is better",
        groups(results),
    )


if __name__ == "__main__":
    main()
