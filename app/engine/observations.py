"""What blocks took on the device → by what a prediction is corrected. Predicts nothing itself.

The least of some times is trusted, since all that disturbs a measurement makes it longer. A tile that was
seen is priced by what it took; others of the same view and algorithm by the ratio that was seen last.
"""

import threading

from app.engine.compiled import Tile
from app.engine.view import View
from app.function import Function

_ENOUGH = 3  # times of a tile before they are trusted
_FAR = 2.0  # a prediction within this factor stays as it is


class Observations:
    """Seconds of tiles, as they were seen."""

    def __init__(self) -> None:
        self._least: dict[Tile, float] = {}
        self._counts: dict[Tile, int] = {}
        self._ratios: dict[Tile, float] = {}
        self._latest: dict[tuple[View, str], float] = {}
        self._lock = threading.Lock()

    def ratio(self, tile: Tile) -> float:
        """By what to multiply the predicted seconds of a tile."""
        with self._lock:
            return self._ratios.get(tile, self._latest.get((tile.view, tile.algorithm.name), 1.0))

    def add(self, tile: Tile, seconds: float, predicted: float, *, sure: bool = False) -> bool:
        """Take in what one block took.

        Args:
            tile: what was run.
            seconds: that it took.
            predicted: what it was predicted to take, uncorrected.
            sure: whether this once is enough, as for a block that is far too long.

        Returns:
            Whether predictions of the tile's view change by this, by more than half.
        """
        with self._lock:
            least = self._least[tile] = min(seconds, self._least.get(tile, seconds))
            count = self._counts[tile] = self._counts.get(tile, 0) + 1
            if count < _ENOUGH and not sure:
                return False
            seen = least / max(predicted, 1e-6)
            seen = 1.0 if 1 / _FAR <= seen <= _FAR else seen
            before = self._ratios.get(tile, 1.0)
            if 1 / _FAR < seen / before < _FAR:
                return False
            self._ratios[tile] = self._latest[tile.view, tile.algorithm.name] = seen
            return True

    def forget(self, function: Function) -> None:
        """Drop what was seen of a function."""
        with self._lock:
            for held in (self._least, self._counts, self._ratios):
                for tile in [tile for tile in held if tile.view.signature.function is function]:
                    del held[tile]
            for key in [key for key in self._latest if key[0].signature.function is function]:
                del self._latest[key]
