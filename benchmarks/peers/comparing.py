"""A case → the fastest way of ours and of each peer, proven to give one matrix, and timed by turns."""

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.device import product
from benchmarks.measure import Timed, by_turns, settled
from benchmarks.peers.cases import Case, arrays, save
from benchmarks.peers.ours import TOLERANCE, Ours, declared, difference, engine, ours
from benchmarks.peers.workers import OutOfReach, Peer, Worker

OURS, AUTO = "ours", "ours, auto"
SYMMETRIC = "ours, x2 = x1"
PRODUCT = "product"
ROUNDS = 3
HOPELESS = 4.0  # times slower than its peer's fastest in a first call: not tried again
REST_SECONDS = 0.02  # in which the threads of the way before stop spinning
Call = Callable[[], float]


@dataclass(frozen=True)
class Measured:
    """What one case gave.

    Args:
        case: which.
        times: of the ways by name.
        chosen: what each way is: an algorithm of ours, or an implementation of a peer.
        auto: the algorithm that the planner chose.
        differences: of each peer's matrix from ours, as a part of the largest entry.
        tried: of each peer, seconds of its implementations, or why they are out of reach.
    """

    case: Case
    times: Timed
    chosen: Mapping[str, str]
    auto: str
    differences: Mapping[str, float]
    tried: Mapping[str, Mapping[str, float | str]]


@dataclass
class Candidates:
    """The ways of one peer to one case: processes that wait, and what they gave."""

    workers: dict[str, Worker] = field(default_factory=dict)
    tried: dict[str, float | str] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)

    def close(self, *, but: str = "") -> None:
        """End the processes, all or all but one."""
        for name in [name for name in self.workers if name != but]:
            self.workers.pop(name).close()


class Comparison:
    """Measures case after case.

    Args:
        folder: for arrays on their way to peers and back.
        seconds: of the turns of a case, about.
        least: turns of a case, at least.
        peers: that are measured.
    """

    def __init__(self, folder: Path, seconds: float, least: int, peers: Sequence[Peer]) -> None:
        self._folder = folder
        self._peers = peers
        self._seconds = seconds
        self._least = least
        self._engine = engine()

    def measured(self, case: Case) -> Measured:
        """Prove that all give one matrix, choose the fastest way of each, and time those by turns."""
        values = arrays(case)
        save(self._arrays, values)
        function = declared(case, values)
        pair = ours(self._engine, function, values, symmetric=False)
        same = ours(self._engine, function, values, symmetric=True)
        candidates = {
            peer.name: self._candidates(peer, case, same if peer.symmetric else pair) for peer in self._peers
        }
        try:
            return self._by_turns(case, pair, same, candidates)
        finally:
            for each in candidates.values():
                each.close()
            self._engine.forget(function)

    @property
    def _arrays(self) -> Path:
        return self._folder / "arrays.npz"

    def _by_turns(self, case: Case, pair: Ours, same: Ours, candidates: Mapping[str, Candidates]) -> Measured:
        calls = {name: partial(settled, run) for name, run in pair.runs.items()}
        best = fastest(calls)
        ways: dict[str, Call] = {OURS: calls[best]}
        chosen = {OURS: best, AUTO: pair.auto}
        if pair.auto != best:
            ways[AUTO] = calls[pair.auto]
        calls = {name: partial(settled, run) for name, run in same.runs.items()}
        chosen[SYMMETRIC] = fastest(calls)
        ways[SYMMETRIC] = calls[chosen[SYMMETRIC]]
        for peer, each in candidates.items():
            if each.workers:
                chosen[peer] = fastest({name: worker.run for name, worker in each.workers.items()})
                each.close(but=chosen[peer])
                ways[peer] = each.workers[chosen[peer]].run
        # By JAX too: a second library's threads in this process would slow the call after it, which is ours.
        ways[PRODUCT] = partial(settled, product())
        times = self._timed(ways, candidates)
        differences = {
            peer: candidates[peer].differences[chosen[peer]] for peer in candidates if peer in ways
        }
        tried = {peer: each.tried for peer, each in candidates.items()}
        return Measured(case, times, chosen, pair.auto, differences, tried)

    def _timed(self, ways: dict[str, Call], candidates: Mapping[str, Candidates]) -> Timed:
        """Time the ways by turns; anew, and without it, where a peer is out of reach after all."""
        while True:
            try:
                return by_turns(ways, self._seconds, self._least, clock=rested)
            except OutOfReach as reason:
                for peer, each in candidates.items():
                    if peer in ways and any(worker.lost for worker in each.workers.values()):
                        each.tried |= dict.fromkeys(each.workers, str(reason))
                        each.close()
                        del ways[peer]

    def _candidates(self, peer: Peer, case: Case, reference: Ours) -> Candidates:
        """Build each implementation of a peer in a process of its own; keep those worth timing."""
        found = Candidates()
        worker: Worker | None = Worker(peer)
        for name in worker.implementations():
            worker = worker or Worker(peer)
            try:
                found.tried[name], found.differences[name] = self._proven(worker, case, name, reference)
                found.workers[name] = worker
            except OutOfReach as reason:
                found.tried[name] = str(reason)
                worker.close()
            worker = None
            print(f"{case.name}, {peer.name}, {name}: {found.tried[name]}", file=sys.stderr, flush=True)
        quickest = min((seconds for seconds in found.tried.values() if isinstance(seconds, float)), default=0)
        for name in list(found.workers):
            seconds = found.tried[name]
            if isinstance(seconds, float) and seconds > HOPELESS * quickest:
                found.workers.pop(name).close()
        return found

    def _proven(self, worker: Worker, case: Case, name: str, reference: Ours) -> tuple[float, float]:
        """Seconds of a call, and how far its matrix is from ours. Raises ``OutOfReach``."""
        path = self._folder / "matrix.npy"
        worker.build(case.name, name, self._arrays)
        worker.first(path)
        matrix = np.load(path)
        far = difference(matrix, reference.matrix)
        if matrix.dtype != np.float32 or far > TOLERANCE:
            raise OutOfReach(f"another matrix: {matrix.dtype}, differs by {far:.1e} of the largest entry")
        return worker.run(), far


def fastest(calls: Mapping[str, Call]) -> str:
    """The name of the call with the least median, in some rounds by turns."""
    if len(calls) == 1:
        return next(iter(calls))
    seconds = by_turns(calls, 0.0, ROUNDS, clock=rested).seconds
    return min(seconds, key=lambda name: statistics.median(seconds[name]))


def rested(call: Call) -> float:
    """Seconds of a call that says them itself, after a rest."""
    time.sleep(REST_SECONDS)
    return call()
