"""Tells when the registry may have changed: a file did, or someone sent SIGHUP. Reloads nothing itself."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from watchfiles import awatch


async def stale(folders: tuple[Path, ...], *, watch: bool) -> AsyncIterator[None]:
    """Yield whenever the folders should be read again.

    Args:
        folders: of the registry.
        watch: whether a changed file is a reason; SIGHUP always is.
    """
    changed = asyncio.Event()
    watcher = asyncio.create_task(_watch(folders, changed)) if watch else None
    try:
        with _hangups(changed):
            while True:
                await changed.wait()
                changed.clear()
                yield
    finally:
        if watcher:
            watcher.cancel()


async def _watch(folders: tuple[Path, ...], changed: asyncio.Event) -> None:
    async for _ in awatch(*(folder for folder in folders if folder.is_dir())):
        changed.set()


@contextmanager
def _hangups(changed: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGHUP, changed.set)
    except (NotImplementedError, RuntimeError, ValueError, AttributeError):
        yield  # not the main thread, or a system without SIGHUP
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
