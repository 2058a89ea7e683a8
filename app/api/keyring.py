"""The keys of a service: read at its start, read again when their file changes, counted by name.

A file that cannot be used stops the start; later the keys before it stay, and that is logged and counted.
Knows no HTTP; what is logged and counted is a key's name, never its secret.
"""

import asyncio
from collections.abc import AsyncIterable
from math import ceil
from pathlib import Path

import structlog

from app.errors import KeyFileError, RateLimited, Unauthenticated
from app.keys import Holder, Key, Ring, read
from app.metrics import Metrics

log = structlog.get_logger()


class Meter:
    """Counts what the holder of a key has, from the first request on.

    Args:
        name: of the key.
        metrics: where it is counted.
    """

    __slots__ = ("_metrics", "_name", "bytes", "device_seconds", "limits", "requests")

    def __init__(self, name: str, metrics: Metrics) -> None:
        self._name = name
        self._metrics = metrics
        self.limits: set[str] = set()  # that it has met
        self.requests = metrics.key_requests.labels(name)
        self.bytes = metrics.key_bytes.labels(name)
        self.device_seconds = metrics.key_device_seconds.labels(name)

    def refused(self, limit: str) -> None:
        """Count a refusal."""
        self.limits.add(limit)
        self._metrics.key_refused.labels(self._name, limit).inc()

    def forget(self) -> None:
        """Take its counts out of the metrics."""
        metrics = self._metrics
        for counter in (metrics.key_requests, metrics.key_bytes, metrics.key_device_seconds):
            counter.remove(self._name)
        for limit in self.limits:
            metrics.key_refused.remove(self._name, limit)


class Keyring:
    """Knows who may ask.

    Args:
        path: of the file of keys.
        metrics: where keys are counted.

    Raises:
        KeyFileError: where the file cannot be used.
    """

    def __init__(self, path: Path, metrics: Metrics) -> None:
        self.path = path
        self._metrics = metrics
        self._keys = read(path)
        self._ring = Ring(self._keys)
        self._meters: dict[str, Meter] = {}
        self._failed = ""  # why the file cannot be used now
        metrics.keys.set(len(self._keys))

    def admit(self, secret: bytes | None) -> tuple[Holder, Meter]:
        """Let in whoever has a key, and has not had all that it may have.

        Args:
            secret: that the request brought; None where it brought none.

        Raises:
            Unauthenticated: where it is none that is known.
            RateLimited: with the limit, and the seconds after which to try again.
        """
        holder = self._ring.find(secret) if secret else None
        if holder is None:
            self._metrics.refused.labels(Unauthenticated.code).inc()
            raise Unauthenticated(
                "the key is not known here; ask whoever hosts the service for another"
                if secret
                else "a key is asked for; send it in one header Authorization: Bearer, and nowhere else"
            )
        meter = self._meters.get(holder.name)
        if meter is None:
            meter = self._meters[holder.name] = Meter(holder.name, self._metrics)
        allowance = holder.allowance
        limit, seconds = allowance.enter()
        if limit:
            self._metrics.refused.labels(RateLimited.code).inc()
            meter.refused(limit)
            raise RateLimited(
                f"the key {holder.name!r} has had what it may have: {allowance.said(limit)}; "
                "try again after Retry-After, or ask for less at a time",
                limit=limit,
                retry_after_seconds=ceil(seconds),
            )
        meter.requests.inc()
        return holder, meter

    def spent(self, client: str, seconds: float) -> None:
        """Take the seconds that the device was had for a client; from any thread."""
        meter = self._meters.get(client)
        if meter is not None:
            meter.device_seconds.inc(seconds)
            self._ring.spend(client, "device_seconds", seconds)

    async def keep_fresh(self, changes: AsyncIterable[None]) -> None:
        """Read the file again whenever it may have changed."""
        async for _ in changes:
            try:
                keys = await asyncio.to_thread(read, self.path)
            except KeyFileError as error:
                self._fail(error.reason)
                continue
            self._failed = ""
            if keys != self._keys:
                self._replace(keys)

    def _fail(self, reason: str) -> None:
        if reason != self._failed:  # else something beside the file changed
            self._failed = reason
            self._metrics.keys_reload_failures.inc()
            log.error("file of keys failed; the keys before stay", file=str(self.path), reason=reason)

    def _replace(self, keys: tuple[Key, ...]) -> None:
        before, after = ({key.name for key in some} for some in (self._keys, keys))
        self._keys = keys
        self._ring.replace(keys)
        for name in before - after:
            if meter := self._meters.pop(name, None):
                meter.forget()
        self._metrics.keys.set(len(keys))
        changes = {"added": sorted(after - before), "removed": sorted(before - after)}
        log.info("keys reloaded", keys=len(keys), **changes)
