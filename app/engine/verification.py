r"""Problem + matrix → ``Receipt``: random entries computed a second time, and how far off the matrix is.

$K^*_{iajb} = \sum_q \partial_q f_a(x1_i)\, \partial_q f_b(x2_j)$

By another way than any algorithm of ``ALGORITHMS`` takes: single examples, one after the other, through
programs of their own (``recomputation``), in float64 where f can be traced so, and contracted on the host in
float64. Where the matrix came from ``contraction`` in the function's own dtypes, the derivative rule is the
same (reverse mode), but precision, batching, tiling and product are not. J is never held: a few rows, or a
few columns of some rows, are.

Runs in turns, so that others can use the device in between. Decides nothing: it is a figure.
"""

import time
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from app.engine.problem import Problem, Side
from app.engine.recomputation import WIDE, Recomputation
from app.engine.worlds import world
from app.specs import Receipt

Turns = Generator[None, None, np.ndarray]


class Verification:
    """Some entries of one matrix, on the way to a receipt.

    Args:
        problem: what the matrix answers.
        matrix: the answer, of ``problem.shape`` or ``problem.sizes``.
        n: entries to recompute; all of them where there are fewer. The same request gets the same ones.
        programs: of the problem's view.
        params: gives the parameters on the device; called on the device's thread.
        turn_seconds: what one turn should take.
    """

    def __init__(
        self,
        problem: Problem,
        matrix: np.ndarray,
        n: int,
        programs: Recomputation,
        params: Callable[[], list[Array]],
        turn_seconds: float,
    ) -> None:
        self._problem, self._programs, self._params = problem, programs, params
        self._matrix = matrix.reshape(problem.sizes)
        self._entries = np.unravel_index(_chosen(problem, n), problem.sizes)
        i, a, j, b = self._entries
        self._pairs = np.stack([i * problem.signature.k + a, j * problem.signature.k + b])
        self._sums = np.zeros((3, i.size))  # of left · right, left · left, right · right
        self._evaluation = 0.0
        self._evaluated: set[tuple[int, int]] = set()
        self._turn_seconds, self._count = turn_seconds, 1
        self._turns: Iterator[None] = self._by_rows() if programs.rows else self._by_columns()

    def step(self) -> bool:
        """Compute a little more, for about ``turn_seconds``. Runs on the device.

        Returns:
            Whether there is more to do.
        """
        try:
            next(self._turns)
        except StopIteration:
            return False
        return True

    @property
    def receipt(self) -> Receipt:
        """What came out, once ``step`` has returned False."""
        found = self._matrix[self._entries].astype(np.float64)
        exact, left, right = self._sums
        coarsest = _coarsest(self._problem)
        units = _units(found, exact, np.sqrt(left) * np.sqrt(right), float(jnp.finfo(coarsest).eps))
        worst = int(np.argmax(units))
        i, a, j, b = (int(axis[worst]) for axis in self._entries)
        return Receipt(
            entries=units.size,
            error=float(units[worst]),
            place=(i, a, j, b),
            dtype=WIDE if self._programs.wide else coarsest.name,
            evaluation=self._evaluation if self._programs.values else None,
        )

    def _by_rows(self) -> Iterator[None]:
        """A few rows of the left against those of the right that their entries need, a few at a time."""
        left, right = self._pairs
        lefts = np.unique(left)
        while lefts.size:
            group, lefts = self._cut(lefts)
            first = yield from self._rows(0, group)
            mine = np.flatnonzero(np.isin(left, group))
            rights = np.unique(right[mine])
            while rights.size:
                other, rights = self._cut(rights)
                second = yield from self._rows(1, other)
                picked = mine[np.isin(right[mine], other)]
                at = np.searchsorted(group, left[picked]), np.searchsorted(other, right[picked])
                self._contract(picked, first, second, *at)

    def _by_columns(self) -> Iterator[None]:
        """A few columns of all rows at a time."""
        first, second = (np.unique(pairs) for pairs in self._pairs)
        at = np.searchsorted(first, self._pairs[0]), np.searchsorted(second, self._pairs[1])
        everything, start = np.arange(self._pairs.shape[1]), 0
        while start < self._programs.view.p:
            count = min(self._count, self._programs.view.p - start)
            left = yield from self._columns(0, first, start, count)
            right = yield from self._columns(1, second, start, count)
            self._contract(everything, left, right, *at)
            start += count

    def _contract(
        self, entries: np.ndarray, left: np.ndarray, right: np.ndarray, at1: np.ndarray, at2: np.ndarray
    ) -> None:
        """Add up float64 rows ``[m, q]`` of both sides; entry by entry, so that no row is copied."""
        with np.errstate(all="ignore"):  # rows that are not finite say so in the receipt
            self._sums[0, entries] += [
                left[row] @ right[column] for row, column in zip(at1, at2, strict=True)
            ]
            self._sums[1, entries] += np.einsum("rq,rq->r", left, left)[at1]
            self._sums[2, entries] += np.einsum("rq,rq->r", right, right)[at2]

    def _rows(self, side: int, pairs: np.ndarray) -> Turns:
        """Rows of J of (example, output) pairs, in one turn: ``[m, p]``."""
        programs, k = self._programs, self._problem.signature.k
        examples, outputs = pairs // k, np.resize(pairs % k, programs.chunk).astype(np.int32)
        began = time.perf_counter()
        x = self._examples(side, np.resize(examples, programs.chunk))
        made, y = self._run(programs.rows, x, outputs, np.int32(pairs.size))
        rows = np.asarray(made)[: pairs.size].astype(np.float64, copy=False)
        self._evaluate(side, examples, np.asarray(y)[: pairs.size])
        self._pace(pairs.size, began)
        yield
        return rows

    def _columns(self, side: int, pairs: np.ndarray, start: int, count: int) -> Turns:
        """Some columns of J of (example, output) pairs, an example in a turn: ``[m, count]``."""
        k, pieces = self._problem.signature.k, []
        for example in np.unique(pairs // k):
            began = time.perf_counter()
            x = [leaf[0] for leaf in self._examples(side, np.array([example]))]
            made, y = self._run(self._programs.columns, x, np.int32(start), np.int32(count))
            outputs = pairs[pairs // k == example] % k
            pieces.append(np.asarray(made)[:count, outputs].T.astype(np.float64))
            self._evaluate(side, np.array([example]), np.asarray(y)[None])
            self._pace(count, began)
            yield
        return np.concatenate(pieces)

    def _evaluate(self, side: int, examples: np.ndarray, exact: np.ndarray) -> None:
        """Hold f in its own dtypes against y of these examples, ``[m, k]``, where that was not done yet."""
        programs = self._programs
        known = [(side, int(example)) in self._evaluated for example in examples]
        if programs.values is None or all(known):
            return
        self._evaluated |= {(side, int(example)) for example in examples}
        x = self._examples(side, np.resize(examples, programs.chunk))
        y = np.asarray(self._run(programs.values, x, np.int32(examples.size), wide=False))[: examples.size]
        scale = np.max(np.abs(exact), axis=1, keepdims=True, where=np.isfinite(exact), initial=0)
        eps = float(jnp.finfo(self._problem.signature.y_dtype).eps)
        self._evaluation = max(self._evaluation, float(_units(y.astype(np.float64), exact, scale, eps).max()))

    def _examples(self, side: int, examples: np.ndarray) -> list[np.ndarray]:
        left: Side = self._problem.left
        both = left, self._problem.right or left
        return [leaf[examples] for leaf in both[side].leaves]

    def _run(self, program: Any, x: list[np.ndarray], *rest: Any, wide: bool | None = None) -> Any:
        wide = self._programs.wide if wide is None else wide
        with world(self._problem.function, self._problem.precision, wide=wide):
            return program(self._params(), *jax.device_put((x, *rest)))

    def _cut(self, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return pairs[: self._count], pairs[self._count :]

    def _pace(self, count: int, began: float) -> None:
        """Rows, or columns, of the next turn: as many as fit its seconds at the pace of this one."""
        pace = max(time.perf_counter() - began, 1e-9) / count
        self._count = int(np.clip(self._turn_seconds / pace, 1, self._programs.chunk))


def _chosen(problem: Problem, n: int) -> np.ndarray:
    """Distinct entries, as indices into the flat matrix; drawn by the request's own content."""
    seed = 0
    for side in (problem.left, problem.right):
        for leaf in side.leaves if side else ():
            seed = zlib.crc32(np.ascontiguousarray(leaf).view(np.uint8).data, seed)
    total = int(np.prod(problem.sizes, dtype=np.int64))
    rng = np.random.default_rng([seed, *problem.sizes])
    return np.sort(rng.choice(total, min(n, total), replace=False, shuffle=False))


def _coarsest(problem: Problem) -> np.dtype:
    avals = problem.signature.variable_avals(problem.selection)
    dtypes = [jnp.dtype(problem.signature.y_dtype), *(jnp.dtype(aval.dtype) for aval in avals)]
    return max(dtypes, key=lambda dtype: float(jnp.finfo(dtype).eps))


def _units(found: np.ndarray, exact: np.ndarray, scale: np.ndarray, eps: float) -> np.ndarray:
    """How far off, in units of ``eps * scale``: 0 where equal or both not finite, infinite where one is."""
    with np.errstate(all="ignore"):
        units = np.abs(found - exact) / (eps * scale)
    same = (found == exact) | ~(np.isfinite(found) | np.isfinite(exact))
    return np.where(same, 0.0, np.nan_to_num(units, nan=np.inf, posinf=np.inf))
