"""One device: the engine that computes there, the lane that owns it, and what is known of its load."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from app.engine import Engine, Plan, Tile
from app.metrics import Metrics
from app.scheduler.lane import Lane
from app.scheduler.stacks import Stacks

LIGHT_SECONDS = 1e-3  # of a block, with its transfers: another thread is not worth waking for it
HERE_SECONDS = 3e-3  # of blocks that are computed as one where they are light
_HOPED = 0.25  # of what is predicted: of a short block that is mostly what another thread would cost
_HEAVY = 30.0  # times as long as a light block: what takes that is tried again much later
_RISE = 1.1  # of what a block is thought to take, where it takes longer
_FALL = 0.98  # of the same, with each block that another thread was woken for: in the end it is tried here
_NOTED = 4096


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
        light_seconds: float = LIGHT_SECONDS,
    ) -> None:
        self.engine = engine
        self.lane = lane
        self.stacks = stacks
        self.metrics = metrics
        self.light_seconds = light_seconds
        self.outstanding = 0.0  # predicted seconds of what was begun here and is not over
        self._coming = 0  # requests whose programs are being compiled
        self._least: dict[Tile, float] = {}  # seconds of a block, of late

    def busy(self) -> tuple[float, int]:
        """What the least of is to be asked next."""
        return self.outstanding, self._coming

    def least(self, plan: Plan) -> float:
        """Seconds that the only block of a plan takes at best, as far as is known; infinite for others."""
        if plan.blocks > 1:
            return math.inf
        known = self._least.get(plan.tiles[0])
        if known is None:
            if len(self._least) >= _NOTED:
                self._least.clear()
            tile = plan.tiles[0]
            calls_host = self.engine.executables.get(tile).calls_host
            known = self._least[tile] = math.inf if calls_host else _HOPED * plan.seconds
        return known

    def note(self, plan: Plan, seconds: float) -> None:
        """Take in what a block took, while turns are taken.

        On the lane's thread that is mostly the waking of threads, and says little.
        """
        tile = plan.tiles[0]
        known = self._least.get(tile)
        if known is None:
            return
        if self.lane.is_here:
            known *= _FALL if known >= self.light_seconds else 1.0
        elif seconds > _HEAVY * self.light_seconds:
            known = seconds
        else:
            known = min(seconds, _RISE * known)
        self._least[tile] = known

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """A computation comes here when this ends."""
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1
