"""One device: the engine that computes there, the lane that owns it, and what is known of its load."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.engine import Engine, Tile
from app.metrics import Metrics
from app.scheduler.lane import Lane
from app.scheduler.pace import Pace
from app.scheduler.stacks import Stacks

LIGHT_SECONDS = 1e-3  # of a block, with its transfers: another thread is not worth waking for it
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
        light_seconds: float,
    ) -> None:
        self.engine = engine
        self.lane = lane
        self.stacks = stacks
        self.metrics = metrics
        self.light_seconds = light_seconds
        self.outstanding = 0.0  # predicted seconds of what was begun here and is not over
        self._coming = 0  # requests whose programs are being compiled
        self._paces: dict[Tile, Pace] = {}

    def busy(self) -> tuple[float, int]:
        """What the least of is to be asked next."""
        return self.outstanding, self._coming

    def pace(self, tile: Tile) -> Pace:
        """What is known of the blocks of a tile; forgotten where there are very many."""
        pace = self._paces.get(tile)
        if pace is None:
            if len(self._paces) >= _NOTED:
                self._paces.clear()
            executables = self.engine.executables
            pace = Pace(self.light_seconds, lambda: executables.get(tile).calls_host)
            self._paces[tile] = pace
        return pace

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """A computation comes here when this ends."""
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1
