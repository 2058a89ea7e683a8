"""A lane: one thread that takes turns, fair between clients, and an event loop that can await them.

Knows neither what the turns do nor who sent them. A turn can leave something in flight, which is landed when
the next turn has begun: so a device never idles between the blocks of two turns. What is removed before its
turn never begins; what has begun runs to its end, because nothing can stop it from outside.

Turns are never taken by two threads at once. Those that take less time than waking a thread does are taken
by whoever queued them, while the lane's own thread has nothing to do.
"""

import asyncio
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from time import perf_counter
from typing import Any, TypeVar

import structlog

from app.scheduler.fairness import FairQueue
from app.scheduler.turns import Call, Landing, Turn

T = TypeVar("T")
log = structlog.get_logger()
Spent = Callable[[str, float], None]
HOUSE = ""  # the client for what the service does of its own accord


def unlimited(_client: str, _seconds: float) -> None:
    """Of what clients have, nothing is kept."""


class Lane:
    """One daemon thread, started at once.

    A pool's thread would be joined when the interpreter ends, and a long compilation would hold the
    process; this one is left behind by whoever closes the lane.

    Args:
        name: of the thread, as debuggers and logs show it.
        spent: is told each client's seconds, once they were had; where turns are taken.
    """

    def __init__(self, name: str, spent: Spent = unlimited) -> None:
        self._spent = spent
        self._turns: FairQueue[Turn] = FairQueue()
        self._changed = threading.Condition()
        self._closed = False
        self._taken = False  # by a thread, which takes turns now
        self._handed: Turn | None = None  # taken out of the queue, for the lane's own thread to begin with
        self.name = name
        self.idle = perf_counter()  # since when the lane has landed nothing
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Number of turns that have not begun."""
        return len(self._turns)

    @property
    def is_own_thread(self) -> bool:
        """Whether the thread that asks is the lane's own."""
        return threading.get_ident() == self._thread.ident

    def put(self, turn: Turn, *, wake: bool = True) -> None:
        """Queue a turn; from any thread.

        Args:
            turn: not in the queue.
            wake: the lane's thread; else somebody calls ``work_here`` soon.
        """
        with self._changed:
            if not self._closed:
                self._turns.put(turn, turn.client, turn.seconds, turn.kind)
                if wake:
                    self._changed.notify()
                return
        turn.drop()

    def work_here(self, seconds: float) -> bool:
        """Take light turns on the thread that calls, until another one comes or some time is over.

        Does nothing while the lane's own thread is at work, or about to be: it takes them then.

        Args:
            seconds: after which no other turn begins.

        Returns:
            Whether to call again soon, because light ones are left.
        """
        with self._changed:
            if self._taken or self._handed is not None:
                return False
            self._taken = True
        until = perf_counter() + seconds
        left = False
        try:
            while (turn := self._next_light()) is not None:
                self._land(_run(turn.begin))
                if perf_counter() > until:
                    left = True
                    break
        finally:
            with self._changed:
                self._taken = False
                if self._handed is not None or self._closed or (len(self._turns) and not left):
                    self._changed.notify()
        return left and self._handed is None

    def _next_light(self) -> Turn | None:
        with self._changed:
            turn = self._turns.get()
            if turn is None or turn.light:
                return turn
            self._handed = turn
        return None

    def remove(self, turn: Turn) -> bool:
        """Take back a turn that has not begun; whether that was so. From any thread."""
        with self._changed:
            return self._turns.remove(turn)

    def together(self, kind: Hashable, choose: Callable[[int], int], most: int) -> list[Turn]:
        """Take turns of a kind out of the queue, to begin them with the one that has just been taken.

        Args:
            kind: of the turns.
            choose: from how many there are, at most ``most``, to how many are taken.
            most: that are taken.
        """
        with self._changed:
            alike = self._turns.like(kind, most)
            taken = alike[: choose(len(alike))]
            for turn in taken:
                self._turns.take(turn)
        return taken

    def had(self, client: str, seconds: float, predicted: float) -> None:
        """Count seconds that a client has had, of which it was charged what was predicted."""
        with self._changed:
            self._turns.charge(client, seconds - predicted)
        self._spent(client, seconds)

    def submit(
        self, call: Callable[..., T], *args: Any, client: str = HOUSE, seconds: float = 0.0
    ) -> "Future[T]":
        """Queue a call; from any thread."""
        turn = Call(lambda: call(*args), client, seconds, self.had)
        self.put(turn)
        return turn.future

    async def run(self, call: Callable[..., T], *args: Any, client: str = HOUSE, seconds: float = 0.0) -> T:
        """Queue a call and await what it returns or raises; if that is cancelled, it does not begin."""
        turn = Call(lambda: call(*args), client, seconds, self.had)
        self.put(turn)
        try:
            return await asyncio.wrap_future(turn.future)
        except asyncio.CancelledError:
            self.remove(turn)
            raise

    def close(self, seconds: float) -> bool:
        """Take no more work: drop what is queued, wait for what runs.

        Args:
            seconds: to wait, at most.

        Returns:
            Whether the thread has ended; if not, it is still inside a call that cannot be stopped.
        """
        dropped: list[Turn] = []
        with self._changed:
            self._closed = True
            if self._handed is not None:
                dropped.append(self._handed)
                self._handed = None
            while (turn := self._turns.get()) is not None:
                dropped.append(turn)
            self._changed.notify()
        for turn in dropped:
            turn.drop()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        landing: Landing | None = None
        working = False
        while True:
            turn = self._next(working, wait=landing is None)
            working = True
            if turn is not None:
                landing = self._take(turn, landing)
            elif landing is not None:
                landing = self._land(landing)
            else:
                return
            del turn  # an idle lane must not keep the last answer alive

    def _take(self, turn: Turn, landing: Landing | None) -> Landing | None:
        """Begin a turn, and land what is in flight; what is in flight then."""
        if turn.alone:  # whoever comes until it has landed can be the next
            self._land(landing)
            return self._land(_run(turn.begin))
        begun = _run(turn.begin)
        self._land(landing)
        return begun

    def _land(self, landing: Landing | None) -> None:
        if landing is not None:
            _run(landing)
            self.idle = perf_counter()

    def _next(self, working: bool, wait: bool) -> Turn | None:
        with self._changed:
            if working and wait:
                self._taken = False
            while True:
                if not self._taken or not wait:
                    turn, self._handed = self._handed or self._turns.get(), None
                    if turn is not None or not wait or self._closed:
                        self._taken = turn is not None or not wait
                        return turn
                self._changed.wait()


def _run(step: Callable[[], T]) -> T | None:
    """Run what should raise nothing; if it does, that ends itself and not the lane."""
    try:
        return step()
    except BaseException:
        log.exception("a turn of a lane raised")
        return None
