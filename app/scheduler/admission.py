"""Who is let in: a ledger of predicted seconds and of bytes, and how soon a newcomer would have an answer.

Clients share a device by turns. So a newcomer of s seconds waits for what its own client has before it, and
for no more of each other client than it has itself: Σ min(theirs, own + s). Used from one thread, that of
the event loop.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from types import TracebackType
from typing import Self

from app.errors import DeadlinePassed, QueueFull

_HALF_LIFE = 5.0  # seconds, of what the drain rate remembers
_LEAST, _MOST = 0.02, 50.0  # between which the drain rate is believed
_LONGEST = 3600  # seconds that anybody is told to stay away


class Ticket:
    """The place of one request in the ledger, which ends with the last of the ``with`` that it is entered by.

    What was predicted of it counts as done unless one of them ends by an exception.
    """

    __slots__ = ("_done", "_entered", "_ledger", "_resting", "client", "nbytes", "retried", "seconds")

    def __init__(self, ledger: "Admission", client: str, nbytes: int) -> None:
        self._ledger = ledger
        self._entered, self._done = 0, True
        self.client = client
        self.nbytes = nbytes
        self.seconds = 0.0
        self.retried = False
        self._resting = 0.0

    def price(self, seconds: float, left: float = math.inf) -> None:
        """Say what it costs, now that this is known.

        Args:
            seconds: predicted.
            left: until its deadline.

        Raises:
            QueueFull: where it would have to wait for longer than is allowed.
            DeadlinePassed: where it would not be done by its deadline.
        """
        self._ledger.check(self, seconds, left)
        self._ledger.move(self, seconds, 0)

    def resize(self, nbytes: int) -> None:
        """Say how many bytes it holds. Raises ``QueueFull`` where there is no room for them."""
        if nbytes == self.nbytes:
            return
        self._ledger.check_bytes(self, nbytes)
        self._ledger.move(self, self.seconds, nbytes - self.nbytes)

    def spend(self, seconds: float) -> None:
        """Some of it is done."""
        if self._resting:
            self._resting = max(0.0, self._resting - seconds)
            return
        self._ledger.drained(min(seconds, self.seconds))
        self._ledger.move(self, max(0.0, self.seconds - seconds), 0)

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Meanwhile its reader is waited for, and nobody has to wait for the rest of it."""
        self._resting = self.seconds
        self._ledger.move(self, 0.0, 0)
        try:
            yield
        finally:
            left, self._resting = self._resting, 0.0
            self._ledger.move(self, left, 0)

    def __enter__(self) -> Self:
        """Begin what the request does inside."""
        self._entered += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        """Leave, where nobody else is inside."""
        self._entered -= 1
        self._done = self._done and kind is None
        if not self._entered:
            self.leave(self._done)

    def leave(self, done: bool) -> None:
        """It is over; ``done`` says whether all of it was computed."""
        self._resting = 0.0
        if done:
            self._ledger.drained(self.seconds)
        self._ledger.leave(self)


class Admission:
    """The ledger.

    Args:
        queue_seconds: that a newcomer may have to wait.
        queue_bytes: of all requests and answers that are held at once; one alone may be larger.
        devices: that share the work.
        clock: seconds.
    """

    def __init__(
        self,
        queue_seconds: float,
        queue_bytes: int,
        devices: int = 1,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.queue_seconds = queue_seconds
        self._queue_bytes = queue_bytes
        self._devices = devices
        self._rate = DrainRate(clock)
        self._backlogs: dict[str, float] = {}
        self._tickets: dict[str, int] = {}
        self.seconds = 0.0
        self.nbytes = 0
        self.requests = 0
        self.quiet = monotonic()  # since when nobody is in it, where nobody is

    def enter(self, client: str, nbytes: int = 0) -> Ticket:
        """Let a request in whose seconds are not known yet.

        Args:
            client: whose it is.
            nbytes: that it will hold.

        Raises:
            QueueFull: where no request of this client would be let in, or there is no room for the bytes.
        """
        ticket = Ticket(self, client, 0)
        if client in self._backlogs:
            self.check(ticket, 0.0, math.inf)
        self.check_bytes(ticket, nbytes)
        ticket.nbytes = nbytes
        self._tickets[client] = self._tickets.get(client, 0) + 1
        self.nbytes += nbytes
        self.requests += 1
        return ticket

    def wait(self, client: str, seconds: float) -> float:
        """Seconds that a newcomer would wait for its turns, by the rate at which work is being done."""
        most = self._backlogs.get(client, 0.0) + seconds
        # Of its own client all, which is no more than that.
        before = sum([min(backlog, most) for backlog in self._backlogs.values()])
        return before / self._devices / self._rate.value if before else 0.0

    def check(self, ticket: Ticket, seconds: float, left: float) -> None:
        """Refuse what would wait for too long, not counting what the ticket itself has in the ledger."""
        if (self.seconds + seconds) / _LEAST < min(self.queue_seconds, left):
            return  # however slowly it is done; most of the time there is little
        if ticket.seconds:
            self.move(ticket, 0.0, 0)
        wait = self.wait(ticket.client, seconds)
        if wait >= self.queue_seconds:
            raise QueueFull(
                f"{wait:.2g} s of work are before this request, and {self.queue_seconds:g} are allowed; "
                "try again after Retry-After, or ask for less at a time",
                wait_seconds=round(wait, 3),
                retry_after_seconds=_whole(wait - self.queue_seconds),
            )
        needed = wait + seconds / self._rate.value if left < math.inf else 0.0
        if needed > left:
            raise DeadlinePassed(
                f"{needed:.2g} s are predicted, of them {wait:.2g} of waiting, and {max(0.0, left):.2g} are "
                "left until the deadline; allow more with deadline_seconds, or ask for less",
                predicted_seconds=round(needed, 3),
            )

    def late(self, ticket: Ticket) -> QueueFull:
        """The refusal of a request that was let in, and has waited for as long as is allowed."""
        wait = self.wait(ticket.client, ticket.seconds)
        return QueueFull(
            f"it has waited for longer than {self.queue_seconds:g} s, and others still go before it; "
            "try again after Retry-After, or ask for less at a time",
            wait_seconds=round(wait, 3),
            retry_after_seconds=_whole(wait - self.queue_seconds),
        )

    def check_bytes(self, ticket: Ticket, nbytes: int) -> None:
        """Refuse what there is no room for beside the others; alone, everything has room."""
        others = self.nbytes - ticket.nbytes
        if others and others + nbytes > self._queue_bytes:
            raise QueueFull(
                f"requests and answers of {others} bytes are held, {nbytes} more are asked for, and "
                f"{self._queue_bytes} are allowed; try again after Retry-After",
                held_bytes=others,
                retry_after_seconds=_whole(self.seconds / self._devices / self._rate.value / 2),
            )

    def move(self, ticket: Ticket, seconds: float, nbytes: int) -> None:
        """Change what a ticket has in the ledger: its seconds to these, its bytes by those."""
        change = seconds - ticket.seconds
        if change:
            self._backlogs[ticket.client] = max(0.0, self._backlogs.get(ticket.client, 0.0) + change)
            self.seconds = max(0.0, self.seconds + change)
            self._rate.busy(self.seconds > 0)
        ticket.seconds = seconds
        ticket.nbytes += nbytes
        self.nbytes += nbytes

    def drained(self, seconds: float) -> None:
        """Some predicted seconds were done."""
        self._rate.add(seconds)

    def leave(self, ticket: Ticket) -> None:
        """Take a ticket out."""
        self.move(ticket, 0.0, -ticket.nbytes)
        self.requests -= 1
        self._tickets[ticket.client] -= 1
        if not self._tickets[ticket.client]:
            del self._tickets[ticket.client]
            self._backlogs.pop(ticket.client, None)
        if not self.requests:
            self.seconds = 0.0  # what rounding left
            self._rate.busy(False)
            self.quiet = monotonic()


class DrainRate:
    """Predicted seconds that are done in one second of the clock, while there is something to do.

    Below 1 where predictions are too low or something else holds requests up, above where they are too high
    or requests go together.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._done = self._spent = 1.0  # begins as one that is right
        self._at = clock()
        self._busy = False

    @property
    def value(self) -> float:
        """The rate."""
        self._pass()
        return min(max(self._done / self._spent, _LEAST), _MOST)

    def busy(self, busy: bool) -> None:
        """There is something to do from now on, or nothing any more."""
        if busy != self._busy:
            self._pass()
            self._busy = busy

    def add(self, seconds: float) -> None:
        """So much was done."""
        self._pass()
        self._done += seconds

    def _pass(self) -> None:
        now = self._clock()
        passed, self._at = now - self._at, now
        if self._busy and passed > 0:
            keep = 0.5 ** (passed / _HALF_LIFE)
            self._done *= keep
            self._spent = self._spent * keep + passed


def _whole(seconds: float) -> int:
    return min(_LONGEST, max(1, math.ceil(seconds)))
