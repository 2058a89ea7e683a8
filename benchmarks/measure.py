"""Time several ways of one thing by turns in one run, a large matrix product beside them.

Machines change speed between minutes; what is timed by turns changes together. Trust the ratios.
"""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

PRODUCT_SIDE = 1024
SETTLING_SECONDS = 0.4
Way = Callable[[], Any]


@dataclass(frozen=True)
class Spread:
    """Quartiles of some figures."""

    low: float
    median: float
    high: float

    def __format__(self, spec: str) -> str:
        return f"{self.median:{spec}} ({self.low:{spec}}–{self.high:{spec}})"


@dataclass(frozen=True)
class Timed:
    """Seconds of each way, turn by turn, and of the matrix product beside them."""

    seconds: Mapping[str, list[float]]
    product_seconds: list[float]

    def spread(self, way: str) -> Spread:
        """Quartiles of a way's seconds."""
        return spread(self.seconds[way])

    def ratio(self, slow: str, fast: str) -> Spread:
        """How many times longer one way takes than another, within each turn."""
        pairs = zip(self.seconds[slow], self.seconds[fast], strict=True)
        return spread([a / b for a, b in pairs])


def timed(way: Way) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def settled(way: Way) -> float:
    """Seconds of one call; where calls are quick, the median of the later half of some.

    After seconds in which other processes had the machine, a program's first calls find cold caches, and its
    threads on one core: some dozens of milliseconds each, until it has settled.
    """
    seconds = [timed(way)]
    while sum(seconds) < SETTLING_SECONDS:
        seconds.append(timed(way))
    return statistics.median(seconds[len(seconds) // 2 :])


def by_turns(
    ways: Mapping[str, Way],
    seconds: float = 2.0,
    least: int = 5,
    most: int = 200,
    clock: Callable[[Way], float] = timed,
    beside: Way | None = None,
) -> Timed:
    """Time some ways by turns, after one call of each that does not count.

    Args:
        ways: by name.
        seconds: of all turns together, about.
        least: turns at least.
        most: turns at most.
        clock: calls a way, and says how many seconds that took.
        beside: the matrix product; by NumPy if it is left out.
    """
    for way in ways.values():
        way()
    product = beside or numpy_product()
    times: dict[str, list[float]] = {name: [] for name in ways}
    product_seconds: list[float] = []
    end = time.perf_counter() + seconds
    turn = 0
    while turn < least or (time.perf_counter() < end and turn < most):
        for name, way in ways.items():
            times[name].append(clock(way))
        if turn < least:
            product_seconds.append(timed(product))
        turn += 1
    return Timed(times, product_seconds)


def numpy_product() -> Way:
    """A float32 product of two squares on the CPU."""
    square = np.ones((PRODUCT_SIDE, PRODUCT_SIDE), np.float32)
    return lambda: square @ square


def spread(figures: list[float]) -> Spread:
    """Quartiles."""
    low, median, high = statistics.quantiles(figures, n=4) if len(figures) > 1 else figures * 3
    return Spread(low, median, high)


def machine(product_seconds: list[float], side: int = PRODUCT_SIDE, device: str = "") -> str:
    """The machine in general terms, and the speed of a product of squares of this side in this run."""
    gigaflops = 2 * side**3 / spread(product_seconds).median / 1e9
    return (
        f"{os.cpu_count()} CPU cores{device}, {platform.system()}, Python {platform.python_version()}; "
        f"a {side}³ float32 matrix product ran at {gigaflops:,.0f} GFLOP/s beside it"
    )
