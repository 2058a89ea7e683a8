"""A lane: one thread that runs calls in the order they came, and an event loop that can await them.

Knows neither what the calls do nor who sent them. What is awaited and then cancelled leaves the queue
if it has not begun; what has begun runs to its end, because nothing can stop it from outside.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Lane:
    """One daemon thread, started at once.

    A pool's thread would be joined when the interpreter ends, and a long compilation would hold the
    process; this one is left behind by whoever closes the lane.

    Args:
        name: of the thread, as debuggers and logs show it.
    """

    def __init__(self, name: str) -> None:
        self._queue: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> "Future[T]":
        """Queue a call; from any thread."""
        future: Future[T] = Future()
        self._queue.put((future, lambda: call(*args, **kwargs)))
        return future

    async def run(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Queue a call and await what it returns or raises."""
        return await asyncio.wrap_future(self.submit(call, *args, **kwargs))

    def close(self, seconds: float) -> bool:
        """Take no more work: drop what is queued, wait for what runs.

        Args:
            seconds: to wait, at most.

        Returns:
            Whether the thread has ended; if not, it is still inside a call that cannot be stopped.
        """
        with contextlib.suppress(Empty):
            while (item := self._queue.get_nowait()) is not None:
                item[0].cancel()
        self._queue.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            future, call = item
            if future.set_running_or_notify_cancel():
                _settle(future, call)
            del item, future, call  # an idle lane must not keep the last answer alive


def _settle(future: "Future[Any]", call: Callable[[], Any]) -> None:
    try:
        future.set_result(call())
    except Exception as error:
        future.set_exception(error)
    except BaseException as error:
        # A function that calls sys.exit() ends its request, not the service.
        future.set_exception(RuntimeError(f"the call ended with {error!r}"))
