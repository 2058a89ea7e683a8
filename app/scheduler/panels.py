"""Blocks in row order → panels: whole rows of blocks, each as it lies in the matrix. Knows no bytes."""

import numpy as np

from app.specs import Block, place


class Panels:
    """The blocks of one matrix, taken one after the other.

    Args:
        sizes: ``(n1, k, n2, k)`` of the matrix.

    Cost:
        memory for one panel; none, and no copy, where a block spans all columns.
    """

    def __init__(self, sizes: tuple[int, int, int, int]) -> None:
        self._n1, self._k, self._n2, _ = sizes
        self._panel: np.ndarray | None = None
        self._rows = (0, 0)
        self._columns = 0  # that the panel has so far

    @property
    def whole(self) -> bool:
        """Whether every row was given out."""
        return self._rows[1] == self._n1 and self._panel is None

    def add(self, block: Block) -> np.ndarray | None:
        """Take the next block.

        Args:
            block: the one to the right of the last one, or the first of the rows below.

        Returns:
            ``[rows, k, n2, k]`` in C order, where the block was the last of its rows; it is the caller's.

        Raises:
            ValueError: for a block out of its turn: what was given out before cannot be mended.
        """
        if block.rows != self._rows if self._columns else block.rows[0] != self._rows[1]:
            raise ValueError(f"block of rows {block.rows} after {self._rows}")
        if block.columns[0] != self._columns:
            raise ValueError(f"block of columns {block.columns} after {self._columns} columns")
        rows = block.rows[1] - block.rows[0]
        inside = block._replace(rows=(0, rows))
        self._panel = place(inside, self._panel, (rows, self._k, self._n2, self._k))
        self._rows, self._columns = block.rows, block.columns[1]
        if self._columns < self._n2:
            return None
        panel, self._panel, self._columns = self._panel, None, 0
        return np.ascontiguousarray(panel)
