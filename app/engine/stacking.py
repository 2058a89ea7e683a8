"""Blocks of several requests computed as one, on a leading axis: worth it where a block is small."""

import threading
from collections.abc import Sequence

from jax.errors import JaxRuntimeError

from app.engine.compiled import Executables, Tile
from app.engine.execute import Flight, dispatch_stack
from app.engine.planner import Budget, Plan
from app.engine.problem import Problem
from app.engine.residency import Residency
from app.errors import NotApplicable
from app.function import Function

_PLANS = 4096  # of which it is remembered how many go together


class Stacking:
    """What can be stacked, and what is compiled for it.

    Args:
        executables: where compiled stacks are kept, beside the other programs.
        residency: of the same device.
        budget: of one block, which a stack keeps within.
    """

    def __init__(self, executables: Executables, residency: Residency, budget: Budget) -> None:
        self._executables = executables
        self._residency = residency
        self._budget = budget
        self._alone: set[Tile] = set()
        self._most: dict[Plan, int] = {}
        self._lock = threading.Lock()

    def most(self, plan: Plan) -> int:
        """The most requests like this one whose blocks are worth computing as one; 1 where none are."""
        most = self._most.get(plan)
        if most is None:
            if len(self._most) >= _PLANS:
                self._most.clear()
            most = self._most[plan] = self._counted(plan)
        return 1 if most > 1 and plan.tiles[0] in self._alone else most

    def _counted(self, plan: Plan) -> int:
        """How many keep within the budget of one block."""
        chosen = plan.chosen
        if plan.blocks > 1 or chosen is None:
            return 1
        by_seconds = self._budget.block_seconds / max(chosen.seconds, 1e-9)
        return max(1, int(min(by_seconds, self._budget.memory_bytes / max(chosen.bytes, 1))))

    def is_ready(self, tile: Tile, n: int) -> bool:
        """Whether what computes n blocks of a tile as one is compiled."""
        return tile.stacked(n) in self._executables

    def prepare(self, tile: Tile, n: int) -> None:
        """Compile what computes n blocks as one; where that cannot be, they stay alone from then on."""
        try:
            self._executables.get(tile.stacked(n))
        except (NotApplicable, JaxRuntimeError):
            with self._lock:
                self._alone.add(tile)

    def dispatch(self, stacked: Sequence[tuple[Plan, Problem]]) -> Flight:
        """Start the only blocks of some problems as one. Runs on the device.

        Args:
            stacked: plans of one block and the same tile, with their problems.
        """
        plan = stacked[0][0]
        params = self._residency.arguments(plan.view, plan.tiles[0].algorithm)
        return dispatch_stack(stacked, self._executables, params)

    def forget(self, function: Function) -> None:
        """Drop what is remembered of a function."""
        with self._lock:
            self._alone = {tile for tile in self._alone if tile.view.signature.function is not function}
            self._most = {}
