"""(view, n1, n2, budgets) → ``Plan``: the cheapest algorithm and tiling that fit, and the reasons.

Three budgets cut blocks: bytes, predicted seconds, and the bytes of a whole row of blocks. Predictions are
counted over each kernel's own jaxpr. Nothing runs here but the measuring of the device, once.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from app.engine.algorithms import ALGORITHMS, Algorithm
from app.engine.compiled import Tile
from app.engine.costs import NOTHING, Cost, cost
from app.engine.devices import Rates
from app.engine.observations import Observations
from app.engine.tiling import Tiling, bucket_above, most_rows, smaller, tiling
from app.engine.view import View
from app.engine.worlds import world
from app.errors import NotApplicable
from app.function import Function


@dataclass(frozen=True)
class Candidate:
    """What one algorithm would cost, or why it cannot be used.

    Args:
        algorithm: its name.
        seconds: predicted, of all blocks.
        bytes: predicted, held at once.
        flops: predicted, of all blocks.
        explicit: leaves whose gradients it forms though it can do without, each with the reason.
        refused: the reason, or empty.
    """

    algorithm: str
    seconds: float = 0.0
    bytes: int = 0
    flops: float = 0.0
    explicit: tuple[str, ...] = ()
    refused: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As ``POST /plan`` answers it."""
        if self.refused:
            return {"algorithm": self.algorithm, "refused": self.refused}
        return {
            "algorithm": self.algorithm,
            "seconds": self.seconds,
            "bytes": self.bytes,
            "flops": self.flops,
            "explicit": list(self.explicit),
        }


@dataclass(frozen=True, eq=False)
class Plan:
    """An algorithm, a tiling, the predicted cost, and the reasons.

    Args:
        view: the function seen from its variable.
        wrt: the variable, as the request named it.
        chosen: the candidate that was taken, or None where none fits.
        tiling: how the matrix is cut; of one example per block where none fits.
        tile: what is compiled for blocks off the diagonal, or None where there are none.
        diagonal: what is compiled for blocks on the diagonal of a symmetric answer, or None.
        candidates: every algorithm, with its cost or the reason against it.
    """

    view: View
    wrt: str
    chosen: Candidate | None
    tiling: Tiling
    tile: Tile | None
    diagonal: Tile | None
    candidates: tuple[Candidate, ...]

    @property
    def function(self) -> Function:
        """The function."""
        return self.view.signature.function

    @property
    def algorithm(self) -> str | None:
        """Name of the algorithm, never ``auto``; None where none fits."""
        return self.chosen.algorithm if self.chosen else None

    @cached_property
    def blocks(self) -> int:
        """Number of blocks that are computed."""
        return self.tiling.diagonal + self.tiling.others

    @property
    def seconds(self) -> float:
        """Predicted seconds of all blocks."""
        return self.chosen.seconds if self.chosen else 0.0

    @property
    def bytes(self) -> int:
        """Predicted bytes that are held at once."""
        return self.chosen.bytes if self.chosen else 0

    @cached_property
    def tiles(self) -> tuple[Tile, ...]:
        """What has to be compiled."""
        return tuple(tile for tile in (self.diagonal, self.tile) if tile is not None)

    def as_dict(self) -> dict[str, Any]:
        """As ``POST /plan`` answers it."""
        return {
            "function": self.function.name,
            "version": self.function.version,
            "wrt": self.wrt,
            "n1": self.tiling.n1,
            "n2": self.tiling.n2,
            "k": self.view.k,
            "p": self.view.p,
            "algorithm": self.algorithm,
            "block": [self.tiling.rows, self.tiling.columns],
            "blocks": self.blocks if self.chosen else 0,
            "algorithms": [candidate.as_dict() for candidate in self.candidates],
        }


@dataclass(frozen=True)
class Budget:
    """What one computation may use.

    Args:
        memory_bytes: temporaries and blocks held at once.
        block_seconds: predicted seconds of one block.
        panel_bytes: a whole row of blocks, as long as it has more than one row of the matrix: who takes the
            matrix row by row has to hold one.
    """

    memory_bytes: int
    block_seconds: float
    panel_bytes: int = 8 << 20


_WEIGHTS = {"structured": 0.95}  # of seconds: of two that are predicted alike it mostly is the faster one
_FAR_TOO_LONG = 5  # times the seconds of a block
_LEFT = 4  # times what an algorithm is told to keep within, it might still fit


@dataclass(frozen=True, eq=False)
class _Fit:
    candidate: Candidate
    tiling: Tiling
    tile: Tile | None
    diagonal: Tile | None
    chunk: int


class Planner:
    """Prices algorithms and chooses; remembers prices, and corrects them by what ran."""

    def __init__(self, rates: Callable[[], Rates]) -> None:
        self._rates = rates
        self._prices: dict[Function, dict[Tile, Cost]] = {}
        self._reasons: dict[Function, dict[tuple[View, str], str]] = {}
        self._observations = Observations()
        self._lock = threading.RLock()

    def plan(
        self, view: View, wrt: str, n1: int, n2: int | None, budget: Budget, algorithm: str = "auto"
    ) -> Plan:
        """Choose the fastest algorithm that fits, or price the one that is named.

        ``structured`` is taken where it is as fast as far as can be told.

        Args:
            view: the function seen from its variable.
            wrt: as the request named it.
            n1: examples of x1.
            n2: examples of x2, or None where x2 = x1.
            budget: what may be used.
            algorithm: ``auto``, or a name.
        """
        with self._lock:
            fits = {each.name: self._fit(each, view, n1, n2, budget) for each in ALGORITHMS}
        candidates = tuple(fit if isinstance(fit, Candidate) else fit.candidate for fit in fits.values())
        usable = [fit for fit in fits.values() if isinstance(fit, _Fit)]
        allowed = [fit for fit in usable if algorithm in ("auto", fit.candidate.algorithm)]
        if not allowed:
            single = Tiling(n1, n2 or n1, 1, 1, n2 is None)
            return Plan(view, wrt, None, single, None, None, candidates)
        best = min(allowed, key=lambda fit: fit.candidate.seconds * _WEIGHTS.get(fit.candidate.algorithm, 1))
        return Plan(view, wrt, best.candidate, best.tiling, best.tile, best.diagonal, candidates)

    def applies(self, algorithm: Algorithm, view: View) -> str:
        """Why an algorithm cannot do a function, found by lowering it; empty if it can."""
        reasons = self._reasons.setdefault(view.signature.function, {})
        key = (view, algorithm.name)
        if key not in reasons:
            try:
                Tile(view, algorithm, 1, 1, 1).lowered()
                reasons[key] = ""
            except NotApplicable as error:
                reasons[key] = error.detail
        return reasons[key]

    def observe(self, tile: Tile, seconds: float, block_seconds: float) -> bool:
        """Take in what a block took with its transfers; one that is far over the budget counts at once.

        Returns:
            Whether plans of the tile's function have to be made again.
        """
        with self._lock:
            predicted = self._price(tile).seconds + self._rates().block_seconds
        return self._observations.add(tile, seconds, predicted, sure=seconds > _FAR_TOO_LONG * block_seconds)

    def forget(self, function: Function) -> None:
        """Drop what is remembered of a function."""
        with self._lock:
            self._prices.pop(function, None)
            self._reasons.pop(function, None)
        self._observations.forget(function)

    def _fit(
        self, algorithm: Algorithm, view: View, n1: int, n2: int | None, budget: Budget
    ) -> _Fit | Candidate:
        """The largest blocks of an algorithm that fit both budgets, or the reason against it."""
        if reason := self.applies(algorithm, view):
            return Candidate(algorithm.name, refused=reason)
        rows = most_rows(n1, n2 or n1, view.k**2 * view.itemsize, budget.panel_bytes)
        columns = bucket_above(n2 or n1)
        best: _Fit | None = None
        share = 1
        while True:
            cut = tiling(n1, n2 or n1, rows, columns, n2 is None)
            fit, worst = self._roomiest(algorithm, view, cut, budget.memory_bytes, share)
            over = worst.peak_bytes / budget.memory_bytes
            slow = worst.seconds / budget.block_seconds
            smallest = cut.rows == cut.columns == 1
            if over <= 1 and (slow <= 1 or smallest):
                if best is not None and fit.candidate.seconds >= best.candidate.seconds:
                    return best
                best = fit
                # A symmetric answer in one block computes both triangles: more blocks may be less work.
                if not cut.symmetric or smallest or cut.down >= 4:
                    return best
                rows, columns = smaller(cut.rows, cut.columns, 4.0)
            elif best is not None:
                return best
            elif smallest and fit.chunk == 1:
                return Candidate(algorithm.name, refused=_too_large(algorithm, worst, budget))
            elif smallest:
                share *= 2
            else:
                rows, columns = smaller(cut.rows, cut.columns, max(over, slow, 1.01))

    def _roomiest(
        self, algorithm: Algorithm, view: View, cut: Tiling, memory_bytes: int, share: int
    ) -> tuple[_Fit, Cost]:
        """A tiling with as many rows of J at a time as fit: algorithms leave much of what they are given."""
        fit, worst = self._priced(algorithm, view, cut, _LEFT * memory_bytes // share)
        if worst.peak_bytes > memory_bytes:
            fit, worst = self._priced(algorithm, view, cut, memory_bytes // share)
        return fit, worst

    def _priced(self, algorithm: Algorithm, view: View, cut: Tiling, memory_bytes: int) -> tuple[_Fit, Cost]:
        chunk = algorithm.chunk(view, cut.rows, cut.columns, memory_bytes)
        tile = Tile(view, algorithm, cut.rows, cut.columns, chunk) if cut.others else None
        diagonal = Tile(view, algorithm, cut.rows, None, chunk) if cut.diagonal else None
        each = [(diagonal, cut.diagonal), (tile, cut.others)]
        prices = [(self._corrected(one), times) for one, times in each if one is not None]
        total = sum((price * times for price, times in prices), NOTHING)
        # Beside the temporaries: the block that is computed, and the one before it that is awaited.
        blocks = min(2, cut.diagonal + cut.others) * cut.rows * cut.columns * view.k**2 * view.itemsize
        held = total.peak_bytes + blocks
        slowest = max(price.seconds for price, _ in prices)
        with world(view.signature.function, view.precision):
            explicit = algorithm.explicit(view)
        candidate = Candidate(algorithm.name, total.seconds, held, total.flops, explicit)
        return _Fit(candidate, cut, tile, diagonal, chunk), Cost(total.flops, slowest, held)

    def _corrected(self, tile: Tile) -> Cost:
        """The price of one block with its transfers, by what was seen."""
        price = self._price(tile)
        seconds = (price.seconds + self._rates().block_seconds) * self._observations.ratio(tile)
        return Cost(price.flops, seconds, price.peak_bytes)

    def _price(self, tile: Tile) -> Cost:
        prices = self._prices.setdefault(tile.view.signature.function, {})
        if tile not in prices:
            prices[tile] = cost(tile.traced(), self._rates())
        return prices[tile]


def _too_large(algorithm: Algorithm, worst: Cost, budget: Budget) -> str:
    return (
        f"{algorithm.name} needs {worst.peak_bytes} bytes for its smallest block; "
        f"{budget.memory_bytes} are allowed"
    )
