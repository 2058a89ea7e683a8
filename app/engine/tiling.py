"""Sizes of blocks: few sizes, so that traffic of many shapes meets few executables. Knows no algorithm."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, isqrt


def bucket_above(n: int) -> int:
    """The smallest of 1, 2, 3, 4, 6, 8, 12, 16, 24, … that is at least n."""
    whole = 1 << max(0, n - 1).bit_length()
    return whole * 3 // 4 if whole >= 4 and whole * 3 // 4 >= n else whole


def bucket_below(limit: float) -> int:
    """The largest of the same sizes that is at most ``limit``; at least 1."""
    n = max(1, int(limit))
    above = bucket_above(n)
    if above == n:
        return n
    # Between two neighbours: 3·2^m lies below 2^(m+2), and 2^(m+1) below 3·2^m.
    return above * 3 // 4 if above & (above - 1) == 0 and above >= 4 else above * 2 // 3


@dataclass(frozen=True)
class Tiling:
    """How a matrix of n1 × n2 examples is cut: equal blocks, the last of each side padded.

    Args:
        n1: examples of x1.
        n2: examples of x2.
        rows: examples of x1 in a block.
        columns: examples of x2 in a block.
        symmetric: whether only blocks on and above the diagonal are computed.
    """

    n1: int
    n2: int
    rows: int
    columns: int
    symmetric: bool

    @property
    def down(self) -> int:
        """Blocks from top to bottom."""
        return ceil(self.n1 / self.rows)

    @property
    def across(self) -> int:
        """Blocks from left to right."""
        return ceil(self.n2 / self.columns)

    @property
    def diagonal(self) -> int:
        """Number of blocks that are computed on the diagonal of a symmetric answer."""
        return self.down if self.symmetric else 0

    @property
    def others(self) -> int:
        """Number of blocks that are computed elsewhere."""
        return self.down * (self.down - 1) // 2 if self.symmetric else self.down * self.across

    def __iter__(self) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """Ranges of rows and of columns of each block that is computed, in row order."""
        for i in range(self.down):
            for j in range(i if self.symmetric else 0, self.across):
                yield _range(i, self.rows, self.n1), _range(j, self.columns, self.n2)


def _range(index: int, size: int, n: int) -> tuple[int, int]:
    return index * size, min((index + 1) * size, n)


def tiling(n1: int, n2: int, rows: int, columns: int, symmetric: bool) -> Tiling:
    """Cut into blocks of at most these sizes, all equal: 100 examples by at most 32 are four times 25."""
    if symmetric:
        # Square blocks, of the smaller side: else one that was cut on one side only would stay as it was.
        rows = min(rows, columns)
    rows = min(rows, bucket_above(ceil(n1 / ceil(n1 / rows))))
    columns = rows if symmetric else min(columns, bucket_above(ceil(n2 / ceil(n2 / columns))))
    return Tiling(n1, n2, rows, columns, symmetric)


def most_rows(n1: int, n2: int, entry_bytes: int, panel_bytes: int) -> int:
    """The largest size of blocks whose whole row, all n2 columns wide, keeps within ``panel_bytes``.

    Args:
        n1: examples of x1.
        n2: examples of x2.
        entry_bytes: of the block of one example by one, ``[k, k]``.
        panel_bytes: of one row of blocks; 1 is returned where no row keeps within them.
    """
    fitting = panel_bytes // (n2 * entry_bytes)
    return bucket_above(n1) if fitting >= n1 else bucket_below(fitting)


def smaller(rows: int, columns: int, over: float) -> tuple[int, int]:
    """Sizes of blocks that cost about ``over`` times less: the longer side first, then both.

    Args:
        rows: too many.
        columns: too many.
        over: by how much, above 1.
    """
    area = max(1, int(rows * columns / over))
    short, side = min(rows, columns), max(1, isqrt(area))
    short_new = min(short, bucket_below(side))
    long_new = bucket_below(area / short_new)
    if (short_new, long_new) == (short, max(rows, columns)):
        long_new = bucket_below(long_new - 1) if long_new > 1 else 1
    long_new = min(long_new, max(rows, columns))
    return (long_new, short_new) if rows >= columns else (short_new, long_new)
