"""One computation on its way: the engine's iterator of blocks becomes one matrix, a block at a time.

Every method runs on the device lane, and nowhere else. Knows no event loop and no deadline: whoever
wants to stop does not call ``take`` again.
"""

from collections.abc import Iterator
from time import perf_counter

import numpy as np

from app.engine import Engine, Plan, Problem
from app.specs import Block


class Gathering:
    """The blocks of a plan, taken into a matrix of ``problem.sizes``."""

    def __init__(self, engine: Engine, plan: Plan, problem: Problem) -> None:
        n1, k1, n2, k2 = problem.sizes
        self._engine, self._plan, self._problem = engine, plan, problem
        self._missing = n1 * k1 * n2 * k2
        self._blocks: Iterator[Block] | None = None
        self._matrix: np.ndarray | None = None
        self.began = self.ended = 0.0

    def take(self) -> bool:
        """Compute one block and put it where it belongs.

        Returns:
            Whether blocks are missing still. Counted in entries, not by the iterator's end: to ask for
            the end would cost another turn in the lane, behind everybody else's blocks.
        """
        if self._blocks is None:
            self.began = perf_counter()
            self._blocks = iter(self._engine.execute(self._plan, self._problem))
        block = next(self._blocks)
        self._place(block)
        self._missing -= block.array.size
        self.ended = perf_counter()
        return self._missing > 0

    def whole(self) -> Block:
        """The matrix as one block, once nothing is missing."""
        n1, _, n2, _ = self._problem.sizes
        assert self._matrix is not None
        return Block((0, n1), (0, n2), self._matrix)

    def close(self) -> None:
        """Let go of the block that is computed ahead and of what it holds on the device."""
        close = getattr(self._blocks, "close", None)
        if close is not None:
            close()
        self._blocks = None

    def _place(self, block: Block) -> None:
        if self._matrix is None and block.array.shape == tuple(self._problem.sizes):
            self._matrix = block.array
            return
        if self._matrix is None:
            self._matrix = np.empty(self._problem.sizes, block.array.dtype)
        self._matrix[slice(*block.rows), :, slice(*block.columns), :] = block.array
