"""Tells when files may have changed: one of them did, or someone sent SIGHUP. Reads nothing itself."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from watchfiles import awatch

log = structlog.get_logger()


class Freshness:
    """What there is to be told, by several; a SIGHUP is told to each of them."""

    def __init__(self) -> None:
        self._listening: set[asyncio.Event] = set()

    @contextmanager
    def hangups(self) -> Iterator[None]:
        """Take SIGHUP, where that can be, as long as this lasts."""
        loop = asyncio.get_running_loop()
        try:
            loop.add_signal_handler(signal.SIGHUP, self._tell)
        except (NotImplementedError, RuntimeError, ValueError, AttributeError):
            yield  # not the main thread, or a system without SIGHUP
            return
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGHUP)

    async def of_folders(self, folders: tuple[Path, ...], *, watch: bool) -> AsyncIterator[None]:
        """Yield whenever the folders should be read again.

        Args:
            folders: with all that is below them.
            watch: whether a changed file is a reason; SIGHUP always is.
        """
        watched = [folder for folder in folders if folder.is_dir()] if watch else []
        async for _ in self._stale(watched, recursive=True):
            yield

    async def of_file(self, file: Path) -> AsyncIterator[None]:
        """Yield whenever a file should be read again; what else changes in its folder is a reason too.

        Once at the beginning, for what changed before it was watched. The folder is watched, as files are
        replaced, and links in it set to others.
        """
        async for _ in self._stale([file.parent], recursive=False, at_once=True):
            yield

    async def _stale(
        self, watched: list[Path], *, recursive: bool, at_once: bool = False
    ) -> AsyncIterator[None]:
        changed = asyncio.Event()
        self._listening.add(changed)
        watcher = asyncio.create_task(_watch(watched, changed, recursive=recursive)) if watched else None
        if at_once:
            await asyncio.sleep(0)  # the watcher begins
            changed.set()
        try:
            while True:
                await changed.wait()
                changed.clear()
                yield
        finally:
            self._listening.discard(changed)
            if watcher:
                watcher.cancel()

    def _tell(self) -> None:
        for changed in self._listening:
            changed.set()


async def _watch(folders: list[Path], changed: asyncio.Event, *, recursive: bool) -> None:
    try:
        async for _ in awatch(*folders, recursive=recursive):
            changed.set()
    except OSError as error:
        said = {"folders": [str(each) for each in folders], "reason": str(error)}
        log.error("files are not watched; SIGHUP reloads them", **said)  # noqa: TRY400 - nothing to trace
