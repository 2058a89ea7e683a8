"""What the blocks of one tile take on one device, alone and as one: whether whoever asks can compute them."""

import math
from collections.abc import Callable

from app.scheduler.stacks import SIZES

HERE_SECONDS = 3e-3  # of blocks that are computed as one where they are light
_HOPED = 0.25  # of what is predicted: of a short block that is mostly what another thread would cost
_HEAVY = 30.0  # times as long as a light block: what takes that is tried again much later
_RISE = 1.1  # of what a block is thought to take, where it takes longer
_TRIED = 10.0  # times as long as a light block: what takes less with another thread is tried here
_FALL = 0.98  # of the same, with each block that another thread was woken for: in the end it is tried here
_WORSE = 1.2  # times as long as one by one, past which blocks are not computed as one: once is no evidence
_SAVED = 4.0  # times less than one by one that blocks are hoped to take as one, until it is seen


class Pace:
    """What is known of a tile's blocks; taken in while turns are taken, asked for on the event loop.

    Args:
        light_seconds: of a block that whoever asks for it computes.
        calls_host: whether its program calls Python, asked once it has run.
    """

    __slots__ = ("_calls_host", "_known", "_light", "_taken", "_worth")

    def __init__(self, light_seconds: float, calls_host: Callable[[], bool]) -> None:
        self._light = light_seconds
        self._calls_host = calls_host
        self._known: float | None = None  # seconds of one block, of late, where it may be light
        self._taken: dict[int, float] = {}  # seconds of as many blocks, computed as one, of late
        self._worth: dict[bool, int] = {}  # what ``most`` is, until something is noted

    @property
    def least(self) -> float:
        """Seconds that one block takes at best; infinite until it is known, and where it may be anything."""
        return math.inf if self._known is None else self._known

    def note(self, seconds: float, predicted: float, aside: bool) -> None:
        """Take in what a block took.

        On the lane's thread that is mostly the waking of threads, where it is little, and says no more than
        that the block may be tried here; predictions alone do not, there are loops without a bound.

        Args:
            seconds: that it took.
            predicted: that it would.
            aside: whether that was on the lane's own thread.
        """
        known, light = self._known, self._light
        if known == math.inf or (known is None and self._calls_host()):
            known = math.inf
        elif not aside:
            known = seconds if known is None or seconds > _HEAVY * light else min(seconds, _RISE * known)
        elif seconds > _TRIED * light:
            known = seconds
        elif known is None:
            known = _HOPED * predicted
        elif known >= light:
            known *= _FALL
        self._known = known
        self.note_as_one(1, seconds)

    def most(self, here: bool) -> int:
        """How many blocks are worth computing as one: fewer than were seen to take longer than one by one.

        Args:
            here: whether whoever asks computes them, and does nothing else meanwhile.
        """
        most = self._worth.get(here)
        if most is None:
            most = self._worth[here] = self._most(here)
        return most

    def _most(self, here: bool) -> int:
        alone = self._taken.get(1, math.inf)
        each = self.least / _SAVED  # of one among others: what more of them took, or what is hoped
        most = 1
        for size in reversed(SIZES):
            taken = self._taken.get(size)
            each = each if taken is None else taken / size
            if (here and size * each > HERE_SECONDS) or (taken or 0.0) > _WORSE * size * alone:
                break
            most = size
        return most

    def note_as_one(self, n: int, seconds: float) -> None:
        """Take in what n blocks took as one.

        The first time says little, as a program's first run is longer than others. Larger numbers that took
        too long once are believed a little less each time: they are tried again.
        """
        known = self._taken.get(n)
        most = n * self._taken.get(1, math.inf) if known is None else _RISE * known
        self._taken[n] = min(seconds, most)
        for size in SIZES:
            if size > n and size in self._taken:
                self._taken[size] *= _FALL
        self._worth.clear()
