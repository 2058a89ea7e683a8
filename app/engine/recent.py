"""What was made for functions, by key, the least recently used of it dropped past a bound.

Knows not what is made, nor how.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from app.function import Function

Key = TypeVar("Key")
Made = TypeVar("Made")


class Recent(Generic[Key, Made]):
    """Makes what is missing, and keeps it; from any thread.

    Args:
        make: of a key, called outside the lock: two threads may make the same at once.
        most: that are kept.
        function_of: the function that a key belongs to.
    """

    def __init__(
        self, make: Callable[[Key], Made], most: int, function_of: Callable[[Key], Function]
    ) -> None:
        self._make = make
        self._most = most
        self._function_of = function_of
        self._held: OrderedDict[Key, Made] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: Key) -> bool:
        return key in self._held

    def get(self, key: Key) -> Made:
        """What was made of a key, made where it is missing."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        made = self._make(key)
        with self._lock:
            self._held[key] = made
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return made

    def forget(self, function: Function) -> None:
        """Drop all that was made for a function."""
        with self._lock:
            for key in [key for key in self._held if self._function_of(key) is function]:
                del self._held[key]
