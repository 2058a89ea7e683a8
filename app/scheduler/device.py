"""One device: the engine that computes there, the lane that owns it, and what is known of its load."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from app.engine import Engine, Plan, Tile
from app.metrics import Metrics
from app.scheduler.lane import Lane
from app.scheduler.stacks import SIZES, Stacks

LIGHT_SECONDS = 1e-3  # of a block, with its transfers: another thread is not worth waking for it
HERE_SECONDS = 3e-3  # of blocks that are computed as one where they are light
_HOPED = 0.25  # of what is predicted: of a short block that is mostly what another thread would cost
_HEAVY = 30.0  # times as long as a light block: what takes that is tried again much later
_RISE = 1.1  # of what a block is thought to take, where it takes longer
_TRIED = 10.0  # times as long as a light block: what takes less with another thread is tried here
_FALL = 0.98  # of the same, with each block that another thread was woken for: in the end it is tried here
_NOTED = 4096
_SAVED = 4.0  # times less than one by one that blocks are hoped to take as one, until it is seen


class Device:
    """One device.

    Args:
        engine: that computes there.
        lane: that owns it.
        stacks: what can go together on it.
        metrics: where its work is counted.
        light_seconds: of a block that whoever asks for it computes, while the lane's thread is idle.
    """

    def __init__(
        self,
        engine: Engine,
        lane: Lane,
        stacks: Stacks,
        metrics: Metrics,
        light_seconds: float,
    ) -> None:
        self.engine = engine
        self.lane = lane
        self.stacks = stacks
        self.metrics = metrics
        self.light_seconds = light_seconds
        self.outstanding = 0.0  # predicted seconds of what was begun here and is not over
        self._coming = 0  # requests whose programs are being compiled
        self._least: dict[Tile, float] = {}  # seconds of a block, of late
        self._as_one: dict[tuple[Tile, int], float] = {}  # of some blocks that were computed as one, of late

    def busy(self) -> tuple[float, int]:
        """What the least of is to be asked next."""
        return self.outstanding, self._coming

    def least(self, plan: Plan) -> float:
        """Seconds that the only block of a plan takes at best; infinite for others, and until it is known."""
        return self._least.get(plan.tiles[0], math.inf) if plan.blocks == 1 else math.inf

    def note(self, plan: Plan, seconds: float) -> None:
        """Take in what a block took, while turns are taken.

        On the lane's thread that is mostly the waking of threads, where it is little, and says no more than
        that the block may be tried here; predictions alone do not, there are loops without a bound.
        """
        if plan.blocks > 1:
            return
        tile, light = plan.tiles[0], self.light_seconds
        known = self._least.get(tile)
        if known == math.inf or (known is None and self.engine.executables.get(tile).calls_host):
            known = math.inf
        elif not self.lane.is_own_thread:
            known = seconds if known is None or seconds > _HEAVY * light else min(seconds, _RISE * known)
        elif seconds > _TRIED * light:
            known = seconds
        elif known is None:
            known = _HOPED * plan.seconds
        elif known >= light:
            known *= _FALL
        if len(self._least) >= _NOTED:
            self._least.clear()
        self._least[tile] = known

    def most_here(self, plan: Plan, least: float) -> int:
        """How many light blocks of a plan may be computed as one, where whoever asks computes them.

        Args:
            plan: of one block.
            least: seconds of one of them.
        """
        tile = plan.tiles[0]
        each = least / _SAVED  # of one among others: what the largest that was seen took, or what is hoped
        most = 1
        for size in reversed(SIZES):
            seen = self._as_one.get((tile, size))
            each = each if seen is None else seen / size
            if size * each > HERE_SECONDS:
                break
            most = size
        return most

    def note_as_one(self, plan: Plan, n: int, seconds: float) -> None:
        """Take in what n blocks of a plan took as one, while turns are taken.

        Larger numbers that took too long once are believed a little less each time: they are tried again.
        """
        if self.lane.is_own_thread:
            return
        tile = plan.tiles[0]
        if len(self._as_one) >= _NOTED:
            self._as_one.clear()
        for size in SIZES:
            known = self._as_one.get((tile, size))
            if size == n:
                self._as_one[tile, size] = seconds if known is None else min(seconds, _RISE * known)
            elif size > n and known is not None:
                self._as_one[tile, size] = _FALL * known

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """A computation comes here when this ends."""
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1
