"""What a key has left: token buckets of requests, of bytes and of device seconds.

A request is let in while there is one in the first bucket, which it takes, and nothing is owed to the others.
What it turns out to cost is taken from those as it comes, past their bottom if need be: then the key waits
until that is made up for, and over time has what its limits say.
"""

import threading
from collections.abc import Callable, Iterator
from time import monotonic

from app.keys.key import Key

MINUTE = 60.0
_ROUNDING = 1e-9  # of a burst


class Bucket:
    """A bucket that fills with time.

    Args:
        rate: at which it fills, per second.
        burst: that it holds; it begins full.
        least: that has to be in it for a request to be let in.
        now: seconds of a clock.
    """

    __slots__ = ("_at", "_enough", "_least", "_level", "burst", "rate")

    def __init__(self, rate: float, burst: float, least: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self._least = least
        self._enough = least - _ROUNDING * burst  # whoever has waited as long as was said is let in
        self._level = burst
        self._at = now

    def level(self, now: float) -> float:
        """What is in it; below 0, what is owed."""
        self._level = level = min(self.burst, self._level + (now - self._at) * self.rate)
        self._at = now
        return level

    def take(self, amount: float, now: float) -> None:
        """Take something out, whether it is there or not."""
        self._level = self.level(now) - amount

    def wait(self, now: float) -> float:
        """Seconds until a request would be let in; 0 for now."""
        level = self.level(now)
        return 0.0 if level >= self._enough else (self._least - level) / self.rate

    def after(self, other: "Bucket", now: float) -> "Bucket":
        """Begin with what is left in another, whose limits were before these."""
        self._level = min(self.burst, other.level(now))
        return self


class Allowance:
    """The buckets of one key. From any thread.

    Args:
        key: whose limits they have.
        clock: seconds.
    """

    def __init__(self, key: Key, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, Bucket] = {}
        self.limit(key)

    def limit(self, key: Key) -> None:
        """Have the limits of a key; what was taken stays taken where there was a limit before."""
        with self._lock:
            now, before = self._clock(), self._buckets
            self._buckets = {
                kind: bucket.after(before[kind], now) if kind in before else bucket
                for kind, bucket in _buckets(key, now)
            }
            self._requests = self._buckets.get("requests")

    def enter(self) -> tuple[str, float]:
        """Let a request in, or say what it has to wait for.

        Returns:
            The kind of limit and the seconds after which a request would be let in, if none came before it;
            an empty kind where it is let in.
        """
        limit, most = "", 0.0
        if not self._buckets:
            return limit, most
        with self._lock:
            now = self._clock()
            for kind, bucket in self._buckets.items():
                seconds = bucket.wait(now)
                if seconds > most:
                    limit, most = kind, seconds
            if not limit and self._requests is not None:
                self._requests.take(1.0, now)
        return limit, most

    def spend(self, kind: str, amount: float) -> None:
        """Take ``bytes`` or ``device_seconds`` that a request has had."""
        if kind in self._buckets:
            with self._lock:
                if bucket := self._buckets.get(kind):
                    bucket.take(amount, self._clock())

    @property
    def limits(self) -> list[str]:
        """All limits in words; none where nothing is limited."""
        return [self.said(kind) for kind in self._buckets]

    def said(self, kind: str) -> str:
        """A limit in words."""
        bucket = self._buckets[kind]
        if kind == "device_seconds":
            return f"{bucket.burst:g} device seconds a minute"
        return f"{bucket.rate:g} {kind} a second, {bucket.burst:g} at once"


def _buckets(key: Key, now: float) -> Iterator[tuple[str, Bucket]]:
    if key.requests_per_second is not None:
        yield "requests", Bucket(key.requests_per_second, key.burst("requests"), 1.0, now)
    if key.bytes_per_second is not None:
        yield "bytes", Bucket(key.bytes_per_second, key.burst("bytes"), 0.0, now)
    if key.device_seconds_per_minute is not None:
        seconds = key.device_seconds_per_minute
        yield "device_seconds", Bucket(seconds / MINUTE, seconds, 0.0, now)
