"""Where the blocks of a computation go: into one matrix, or to a reader, a few at a time.

Both sides meet here: ``put`` and ``end`` run where the lane's turns are taken, on its thread or on the event
loop's; whatever is awaited, on the event loop.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import get_ident

import numpy as np

from app.specs import Block, place

Progress = Callable[[float], None]


class _Landing:
    """What both sinks share: how whoever works on a lane tells the event loop something."""

    __slots__ = ("_loop", "_progress", "_thread")

    def __init__(self, progress: Progress) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = get_ident()
        self._progress = progress

    def _tell(self, call: Callable[..., object], *args: object) -> None:
        if get_ident() == self._thread:
            call(*args)
            return
        with suppress(RuntimeError):  # the loop is closed: nobody is there to be told
            self._loop.call_soon_threadsafe(call, *args)


class Whole(_Landing):
    """All blocks in one matrix, which is put together where they land.

    Args:
        sizes: ``(n1, k, n2, k)``.
        progress: is told, on the event loop, the seconds of each block; nothing where there is only one.

    Attributes:
        ended: whether all blocks are there, or an error says why not.
    """

    __slots__ = ("_awaited", "_error", "_matrix", "_sizes", "ended")

    def __init__(self, sizes: tuple[int, int, int, int], progress: Progress) -> None:
        super().__init__(progress)
        self._sizes = sizes
        self._matrix: np.ndarray | None = None
        self._error: Exception | None = None
        self._awaited: asyncio.Future[None] | None = None
        self.ended = False

    def put(self, blocks: Sequence[Block], seconds: float) -> None:
        """Put blocks where they belong."""
        for block in blocks:
            self._matrix = place(block, self._matrix, self._sizes)
        if self._matrix is not blocks[0].array:  # else it is over at once
            self._tell(self._progress, seconds)

    def end(self, error: Exception | None) -> None:
        """Hand the matrix over."""
        self._tell(self._settle, error)

    async def end_awaited(self) -> None:
        """Return once it has ended."""
        if not self.ended:
            self._awaited = self._loop.create_future()
            await self._awaited

    @property
    def matrix(self) -> np.ndarray:
        """The matrix, where it has ended; raises what ended it."""
        if self._error is not None:
            raise self._error
        assert self._matrix is not None
        return self._matrix

    def _settle(self, error: Exception | None) -> None:
        if self.ended:
            return
        self.ended, self._error = True, error
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)


class Reading(_Landing):
    """Blocks in the order in which they land, kept until somebody takes them.

    Args:
        progress: is told, on the event loop, the seconds of each block.
    """

    def __init__(self, progress: Progress) -> None:
        super().__init__(progress)
        self._blocks: deque[Block] = deque()
        self._arrived = asyncio.Event()
        self._ended = False
        self._error: Exception | None = None

    def put(self, blocks: Sequence[Block], seconds: float) -> None:
        """Keep blocks for whoever reads."""
        self._tell(self._take_in, list(blocks), seconds)

    def end(self, error: Exception | None) -> None:
        """Let the reader come to an end."""
        self._tell(self._finish, error)

    async def next(self) -> Block | None:
        """The next block, once it is there; None at the end. Raises what ended it."""
        while not self._blocks:
            if self._ended:
                if self._error is not None:
                    raise self._error
                return None
            self._arrived.clear()
            await self._arrived.wait()
        return self._blocks.popleft()

    def _take_in(self, blocks: list[Block], seconds: float) -> None:
        self._blocks.extend(blocks)
        self._arrived.set()
        self._progress(seconds)

    def _finish(self, error: Exception | None) -> None:
        self._ended, self._error = True, error
        self._arrived.set()
