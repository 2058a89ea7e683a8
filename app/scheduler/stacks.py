"""Micro-batching: how many waiting requests of one kind are computed as one, and what is compiled for that.

Never waits for more to come. A stack that is not compiled yet is not waited for either: it is asked of the
compile lane once requests have stood in line for it often enough, and they go one by one until it is there.
"""

import threading
from collections import Counter

from app.engine import Engine, Plan, Tile
from app.scheduler.lane import Lane

SIZES = (64, 16, 8, 4)  # what is left over goes in smaller ones, and nothing is padded
_MISSED = 64  # requests that could have gone together before a program is compiled for it


class Stacks:
    """What can go together on one device.

    Args:
        engine: of that device.
        compiler: where stacks are compiled, behind what clients wait for.
    """

    def __init__(self, engine: Engine, compiler: Lane) -> None:
        self._engine = engine
        self._compiler = compiler
        self._missed: Counter[tuple[Tile, int]] = Counter()
        self._asked: set[tuple[Tile, int]] = set()
        self._lock = threading.Lock()

    def most(self, plan: Plan) -> int:
        """The most requests like this one that may go together."""
        stackable = self._engine.stacking.most(plan)
        for size in SIZES:
            if size <= stackable:
                return size
        return 1

    def size(self, plan: Plan, waiting: int) -> int:
        """How many of those that wait go together now; 1 where they go one by one.

        Args:
            plan: of one of them, like those of the others.
            waiting: how many there are, ``most(plan)`` or fewer.
        """
        tile = plan.tiles[0]
        for size in SIZES:
            if size > waiting:
                continue
            if self._engine.stacking.is_ready(tile, size):
                return size
            self._miss(tile, size)
        return 1

    def _miss(self, tile: Tile, size: int) -> None:
        with self._lock:
            if (tile, size) in self._asked:
                return
            self._missed[tile, size] += size
            if self._missed[tile, size] < _MISSED:
                return
            del self._missed[tile, size]
            self._asked.add((tile, size))
        self._compiler.submit(self._compile, tile, size)

    def _compile(self, tile: Tile, size: int) -> None:
        try:
            self._engine.stacking.prepare(tile, size)
        finally:
            with self._lock:  # asked again where it was dropped meanwhile
                self._asked.discard((tile, size))
