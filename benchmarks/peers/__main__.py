"""Our engine and what people use today for J(x1) J(x2)ᵀ with respect to parameters, by turns in one run.

Each peer runs in a process and an environment of its own, with the same weights and inputs, in float32; its
matrix is held against ours before anything is timed. Ours has a process for each case as well: what a process
did before is in its memory. Of each, ours included, the fastest of its ways in three rounds is the one that
is timed. Expected: ahead of every peer on every case.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from app.cli.allocating import keep_memory, variables
from benchmarks.device import named
from benchmarks.peers.cases import CASES
from benchmarks.peers.comparing import Comparison, Measured
from benchmarks.peers.presenting import figures, groups, restored, text
from benchmarks.peers.workers import PEERS
from benchmarks.report import RESULTS, bars, write

SECONDS = 30.0
LEAST_TURNS = 5


def main() -> None:
    """Measure, and write ``results/peers``; a part of the cases is only printed, or takes its old place."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("case", nargs="*", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of the turns of each case, about")
    parser.add_argument("--least", type=int, default=LEAST_TURNS, help="turns at least")
    parser.add_argument(
        "--peer", nargs="*", help=f"of {', '.join(peer.name for peer in PEERS)}; all by default"
    )
    parser.add_argument("--here", action="store_true", help="peers run in this environment, which has them")
    parser.add_argument(
        "--same-malloc", action="store_true", help="malloc of the peers keeps what is freed as well"
    )
    parser.add_argument("--keep", action="store_true", help="put what is measured among the results")
    parser.add_argument("--out", type=Path, help="measure in this process, and write the figures there")
    asked = parser.parse_args()
    if unknown := set(asked.case) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    if asked.out is not None:
        keep_memory()
        if asked.same_malloc:
            os.environ |= variables()  # of the peers' processes
        asked.out.write_text(json.dumps(figures(measured(asked))))
        return
    file = RESULTS / f"{named('peers')}.json"
    old = restored(json.loads(file.read_text())) if asked.case and asked.keep else []
    results: dict[str, Measured] = {one.case.name: one for one in old}
    for name in asked.case or CASES:
        results[name] = alone(name)
        print(text([results[name]]), file=sys.stderr, flush=True)
        if asked.keep or not asked.case:  # after each: a run of half an hour may be stopped
            keep([results[each] for each in CASES if each in results])
    if asked.case and not asked.keep:
        print(text(list(results.values())))


def measured(asked: argparse.Namespace) -> list[Measured]:
    """Measure some cases in this process."""
    peers = [peer for peer in PEERS if not asked.peer or peer.name in asked.peer]
    if asked.here:
        peers = [replace(peer, environment="") for peer in peers]
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(Path(folder), asked.seconds, asked.least, peers)
        return [comparison.measured(CASES[name]) for name in asked.case]


def alone(name: str) -> Measured:
    """Measure a case in a process of its own, with the same options."""
    options = [word for word in sys.argv[1:] if word not in CASES and word != "--keep"]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        # The case comes first: it would be taken for one more value of an option.
        command = [sys.executable, "-m", "benchmarks.peers", name, *options, "--out", str(out)]
        subprocess.run(command, check=True)
        (found,) = restored(json.loads(out.read_text()))
    return found


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
