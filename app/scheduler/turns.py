"""Turns of a lane: what is asked of them, and the simplest, a call.

A turn can leave something in flight when it has begun, which is landed later, by whoever began it.
"""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from time import perf_counter
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
Landing = Callable[[], None]
Had = Callable[[str, float, float], None]


class Turn(Hashable, Protocol):
    """What a lane runs.

    Args:
        client: whose it is.
        seconds: that it is predicted to take.
        kind: turns of one kind may be taken together; None for one that is taken alone.
        alone: whether whatever is in flight has to land before it begins, and what it leaves in flight
            before another one is chosen.
        light: whether it takes no longer than handing it to another thread.
    """

    @property
    def client(self) -> str: ...  # noqa: D102

    @property
    def seconds(self) -> float: ...  # noqa: D102

    @property
    def kind(self) -> Hashable: ...  # noqa: D102

    @property
    def alone(self) -> bool: ...  # noqa: D102

    @property
    def light(self) -> bool: ...  # noqa: D102

    def begin(self) -> Landing | None:
        """Start, on the thread that takes turns; what it returns is called to end it. Raises nothing."""
        ...

    def drop(self) -> None:
        """Called in place of ``begin`` when the lane closes."""
        ...


class Call(Generic[T]):
    """A call as a turn, alone on its lane; charged by what it took.

    Args:
        call: what it returns or raises goes into ``future``.
        client: whose it is.
        seconds: that it is predicted to take.
        had: is told the client, the seconds that it took, and the predicted ones.
    """

    kind = None
    alone = True
    light = False

    def __init__(self, call: Callable[[], T], client: str, seconds: float, had: Had) -> None:
        self._call = call
        self._had = had
        self.client = client
        self.seconds = seconds
        self.future: Future[T] = Future()

    def begin(self) -> None:
        """Call, unless whoever waited for it has left."""
        if not self.future.set_running_or_notify_cancel():
            return
        began = perf_counter()
        try:
            self.future.set_result(self._call())
        except Exception as error:
            self.future.set_exception(error)
        except BaseException as error:
            # A function that calls sys.exit() ends its request, not the service.
            self.future.set_exception(RuntimeError(f"the call ended with {error!r}"))
        self._had(self.client, perf_counter() - began, self.seconds)

    def drop(self) -> None:
        """Whoever waits for it is told that it is cancelled."""
        self.future.cancel()
