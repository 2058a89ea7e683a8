"""What a key has left: token buckets of requests, of bytes and of device seconds.

A request is let in while there is one in the first bucket, which it takes, and nothing is owed to the others.
What it turns out to cost is taken from those as it comes, past their bottom if need be: then the key waits
until that is made up for, and over time has what its limits say.
"""

import threading
from collections.abc import Callable
from time import monotonic

from app.keys.key import Key

MINUTE = 60.0
_ROUNDING = 1e-9  # of a burst: who has waited as long as was said is let in


class Bucket:
    """A bucket that fills with time.

    Args:
        rate: at which it fills, per second.
        burst: that it holds; it begins full.
        now: seconds of a clock.
    """

    __slots__ = ("_at", "_level", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self._level = burst
        self._at = now

    def level(self, now: float) -> float:
        """What is in it; below 0, what is owed."""
        self._level = min(self.burst, self._level + max(0.0, now - self._at) * self.rate)
        self._at = now
        return self._level

    def take(self, amount: float, now: float) -> None:
        """Take something out, whether it is there or not."""
        self._level = self.level(now) - amount

    def wait(self, least: float, now: float) -> float:
        """Seconds until so much is in it."""
        short = least - self.level(now)
        return short / self.rate if short > _ROUNDING * self.burst else 0.0

    def become(self, rate: float, burst: float, now: float) -> None:
        """Have other limits from now on, with what is left."""
        self._level = min(burst, self.level(now))
        self.rate, self.burst = rate, burst


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
        now, before = self._clock(), self._buckets
        with self._lock:
            self._buckets = {kind: Bucket(*limits, now) for kind, limits in _limits(key).items()}
            for kind, bucket in self._buckets.items():
                if old := before.get(kind):
                    old.become(bucket.rate, bucket.burst, now)
                    self._buckets[kind] = old
            self._requests = self._buckets.get("requests")
            self._waited = [
                (kind, bucket, 1.0 if kind == "requests" else 0.0) for kind, bucket in self._buckets.items()
            ]

    def enter(self) -> tuple[str, float]:
        """Let a request in, or say what it has to wait for.

        Returns:
            The kind of limit and the seconds after which a request would be let in, if none came before it;
            an empty kind where it is let in.
        """
        if not self._waited:
            return "", 0.0
        with self._lock:
            now = self._clock()
            kind, seconds = "", 0.0
            for each, bucket, least in self._waited:
                wait = bucket.wait(least, now)
                if wait > seconds:
                    kind, seconds = each, wait
            if not kind and self._requests is not None:
                self._requests.take(1.0, now)
        return kind, seconds

    def spend(self, kind: str, amount: float) -> None:
        """Take ``bytes`` or ``device_seconds`` that a request has had."""
        bucket = self._buckets.get(kind)
        if bucket is not None:
            with self._lock:
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


def _limits(key: Key) -> dict[str, tuple[float, float]]:
    limits: dict[str, tuple[float, float]] = {}
    for kind, rate in (("requests", key.requests_per_second), ("bytes", key.bytes_per_second)):
        if rate is not None:
            limits[kind] = rate, key.burst(kind)
    if key.device_seconds_per_minute is not None:
        limits["device_seconds"] = key.device_seconds_per_minute / MINUTE, key.device_seconds_per_minute
    return limits
