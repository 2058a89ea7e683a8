"""How a service comes to its end: no request begins any more, and those that run are awaited for a while.

Three states: open, begun, ended. Begun, requests are refused; ended, those that still run are stopped, and
the doorway answers for them. Knows neither signals nor sockets.
"""

import asyncio
from contextlib import suppress

LAST_SECONDS = 2.0  # for those that were stopped to say so


class Drain:
    """Counts the requests that are answered in a house, and stops them."""

    def __init__(self) -> None:
        self.begun = False
        self.ended = False
        self._hurried = False
        self._visits: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    @property
    def under_way(self) -> int:
        """Requests that are being answered."""
        return len(self._visits)

    def begin(self) -> None:
        """Refuse requests from now on; fit to be called by the handler of a signal."""
        self.begun = True

    def hurry(self) -> None:
        """Await no more answers."""
        self._hurried = True
        self._changed.set()

    def enter(self) -> "asyncio.Task[None]":
        """Count the task that runs as a request, until it leaves; returns it."""
        task = asyncio.current_task()
        assert task is not None
        self._visits.add(task)
        return task

    def leave(self, task: "asyncio.Task[None]") -> None:
        """Count a task no more."""
        self._visits.discard(task)
        self._changed.set()

    async def finish(self, seconds: float) -> bool:
        """Await the requests that run, and then stop them.

        Args:
            seconds: to wait, at most; less if somebody hurries.

        Returns:
            Whether none had to be stopped.
        """
        await self._quiet(seconds)
        done = not self._visits
        self.ended = True
        for task in self._visits:
            task.cancel()
        self._hurried = False
        await self._quiet(LAST_SECONDS)
        return done

    async def _quiet(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._visits and not self._hurried:
                    self._changed.clear()
                    await self._changed.wait()
