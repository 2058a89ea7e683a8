"""A queue that is fair between clients by seconds: whoever has had the least goes first.

Start-time fair queueing (Goyal, Vin, Cheng 1996): time is counted in seconds of work, each client's clock
runs on by what its turns cost, and a client that comes back starts at the clock of the one last served, so
that nobody saves up. Within a client turns go in the order in which they came. Knows no thread: whoever
shares one locks it.
"""

from collections import OrderedDict
from collections.abc import Hashable
from heapq import heappop, heappush
from itertools import count, islice
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)
_CLIENTS = 1024  # remembered while they wait for nothing, about
_DEBT = 1.0  # seconds by which a client can be ahead of the others and still be next when its turn comes


class _Client(Generic[T]):
    __slots__ = ("clock", "listed", "turns")

    def __init__(self, clock: float) -> None:
        self.clock = clock
        self.listed = False  # in the heap
        self.turns: OrderedDict[T, float] = OrderedDict()


class FairQueue(Generic[T]):
    """Turns of clients, each with its predicted seconds; a turn is in it once at most."""

    def __init__(self) -> None:
        self._clients: dict[str, _Client[T]] = {}
        self._places: dict[T, tuple[_Client[T], Hashable]] = {}
        self._kinds: dict[Hashable, OrderedDict[T, None]] = {}
        self._heap: list[tuple[float, int, _Client[T]]] = []
        self._numbers = count()
        self._clock = 0.0

    def __len__(self) -> int:
        return len(self._places)

    def put(self, turn: T, client: str, seconds: float, kind: Hashable = None) -> None:
        """Queue a turn behind those of the same client.

        Args:
            turn: not in the queue.
            client: whose it is.
            seconds: that it is predicted to take.
            kind: turns of one kind can be found by it; None for none.
        """
        whose = self._clients.get(client) or self._new(client)
        if not whose.turns:
            whose.clock = min(max(whose.clock, self._clock), self._clock + _DEBT)
        self._list(whose)
        whose.turns[turn] = seconds
        self._places[turn] = (whose, kind)
        if kind is not None:
            self._kinds.setdefault(kind, OrderedDict())[turn] = None

    def get(self) -> T | None:
        """Take the next turn out, and charge it to its client; None where nobody waits."""
        while self._heap:
            at, _, client = heappop(self._heap)
            client.listed = False
            if not client.turns:
                continue  # all of them were taken or removed
            if client.clock > at:  # charged since
                self._list(client)
                continue
            self._clock = max(self._clock, at)
            turn = next(iter(client.turns))
            self.take(turn)
            if client.turns:
                self._list(client)
            elif not self._places:
                self._clock = client.clock  # nobody waited: all are even again
            return turn
        return None

    def like(self, kind: Hashable, most: int) -> list[T]:
        """The first turns of a kind, over all clients, in the order in which they came; they stay."""
        return list(islice(self._kinds.get(kind, ()), most))

    def take(self, turn: T) -> float:
        """Take a turn out, next or not, and charge it to its client; the seconds that it is predicted."""
        client, kind = self._places.pop(turn)
        seconds = client.turns.pop(turn)
        client.clock += seconds
        if kind is not None:
            alike = self._kinds[kind]
            del alike[turn]
            if not alike:
                del self._kinds[kind]
        return seconds

    def remove(self, turn: T) -> bool:
        """Take a turn out that nobody wants any more; whether it was there."""
        if turn not in self._places:
            return False
        client, _ = self._places[turn]
        client.clock -= self.take(turn)
        return True

    def charge(self, client: str, seconds: float) -> None:
        """Count seconds that a client has had beside what was predicted; those below 0 it gets back."""
        whose = self._clients.get(client)
        if whose is not None:
            whose.clock = max(whose.clock + seconds, self._clock)

    def _new(self, name: str) -> _Client[T]:
        if len(self._clients) >= _CLIENTS:  # those that are not ahead are as good as new
            self._clients = {
                key: each for key, each in self._clients.items() if each.turns or each.clock > self._clock
            }
        client = self._clients[name] = _Client(self._clock)
        return client

    def _list(self, client: _Client[T]) -> None:
        if not client.listed:
            client.listed = True
            heappush(self._heap, (client.clock, next(self._numbers), client))
