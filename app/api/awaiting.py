"""Ways to await that keep the event loop free, and end what nobody waits for any more. Knows no route."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import anyio.to_thread
from starlette.requests import ClientDisconnect
from starlette.types import Receive

INLINE_BYTES = 64 << 10  # handing smaller work to a thread costs more than doing it on the loop
MOMENT_SECONDS = 0.02  # for which a client is taken to wait for its answer, and is not looked for
T = TypeVar("T")


async def off_loop(size_bytes: int, work: Callable[..., T], *args: Any) -> T:
    """Do work on so many bytes in a thread; where they are few, here."""
    return await unless(size_bytes <= INLINE_BYTES, work, *args)


async def unless(quick: bool, work: Callable[..., T], *args: Any) -> T:
    """Do work in a thread, unless it is quick: then here."""
    return work(*args) if quick else await anyio.to_thread.run_sync(work, *args)


async def unless_client_leaves(receive: Receive, answering: Coroutine[Any, Any, T]) -> T:
    """Await an answer; cancel it when the client goes, for nobody would read it.

    Raises:
        ClientDisconnect: if the client left first.
    """
    watch = _Watch(receive)
    try:
        return await answering
    except asyncio.CancelledError:
        if watch.fired():
            raise ClientDisconnect from None
        raise
    finally:
        watch.end()


class _Watch:
    """After a moment, looks for a client that leaves, and cancels the task that began."""

    def __init__(self, receive: Receive) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._receive = receive
        self._cancelled = False
        self._watching: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(MOMENT_SECONDS, self._begin)

    def fired(self) -> bool:
        """Whether the task was cancelled for this reason, and no other."""
        return self._cancelled and self._task.uncancel() == 0

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _begin(self) -> None:
        self._watching = asyncio.create_task(self._look())

    async def _look(self) -> None:
        await left(self._receive)
        self._cancelled = True
        self._task.cancel()


async def left(receive: Receive) -> None:
    """Await that the client goes; to be called when its body was read."""
    while (await receive())["type"] != "http.disconnect":
        pass
