"""Ways to await that keep the event loop free, and end what nobody waits for any more. Knows no route."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import anyio.to_thread
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from app.errors import JJTError

INLINE_BYTES = 64 << 10  # handing smaller work to a thread costs more than doing it on the loop
T = TypeVar("T")


async def off_loop(size_bytes: int, work: Callable[..., T], *args: Any) -> T:
    """Do work on so many bytes in a thread; where they are few, here."""
    if size_bytes <= INLINE_BYTES:
        return work(*args)
    return await anyio.to_thread.run_sync(work, *args)


async def unless_client_leaves(receive: Receive, answering: Coroutine[Any, Any, T]) -> T:
    """Await an answer; cancel it when the client goes, for nobody would read it.

    Raises:
        ClientDisconnect: if the client left first.
    """
    work, gone = asyncio.ensure_future(answering), asyncio.ensure_future(left(receive))
    try:
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise ClientDisconnect
    finally:
        gone.cancel()
        if work.cancel():
            with suppress(asyncio.CancelledError, JJTError):
                await work


async def left(receive: Receive) -> None:
    """Await that the client goes; to be called when its body was read."""
    while (await receive())["type"] != "http.disconnect":
        pass
