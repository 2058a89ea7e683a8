"""Clients with addresses of their own, over raw connections: what they ask, and what comes of it.

A client is its address to the service. On Linux all of 127.0.0.0/8 is this machine, so each client here has
one of those. Nothing is sent twice by itself.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from benchmarks.load.questions import Question

RIGHT = "right"
PIECE_BYTES = 1 << 20


def address(group: int, number: int) -> str:
    """The address of a client: the number of its group, and its own in it."""
    return f"127.0.{group}.{number % 250 + 1}"


class Line:
    """A connection that is opened when it is needed, and kept.

    Args:
        port: of the service.
        source: the client's address.
    """

    def __init__(self, port: int, source: str) -> None:
        self._port, self._source = port, source
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect, unless that was done."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                "127.0.0.1", self._port, local_addr=(self._source, 0), limit=PIECE_BYTES
            )
        return self._streams

    async def send(self, data: bytes) -> asyncio.StreamReader:
        """Send bytes; returns where the answer comes."""
        reader, writer = await self.open()
        writer.write(data)
        await writer.drain()
        return reader

    async def ask(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send a request; returns status, headers and body. Raises what connections raise."""
        try:
            reader = await self.send(request)
            status, headers = await head_of(reader)
            content = await reader.readexactly(int(headers["content-length"]))
        except BaseException:
            self.abort()
            raise
        if headers.get("connection") == "close":
            self.abort()
        return status, headers, content

    def abort(self) -> None:
        """Hang up, wherever things are."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()


@asynccontextmanager
async def line(port: int, source: str) -> AsyncIterator[Line]:
    """A connection, hung up in the end."""
    kept = Line(port, source)
    try:
        yield kept
    finally:
        kept.abort()


async def head_of(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer, names in lower case."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (each.partition(": ") for each in lines if each)
    return int(first.split()[1]), {name.lower(): value for name, _, value in pairs}


@dataclass
class Tally:
    """What came of requests.

    Args:
        counts: by outcome: right, the status with its code, or the name of what broke.
        seconds: of the right ones, one after the other.
        refused_seconds: of those that were refused.
        faults: what should not have come, in words.
        late: seconds by which requests were sent late, in an open loop.
    """

    counts: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    refused_seconds: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    late: list[float] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All requests."""
        return sum(self.counts.values())

    def percentile(self, percent: float) -> float:
        """Seconds within which so many of the right answers came."""
        return float(np.percentile(self.seconds, percent)) if self.seconds else float("inf")

    def said(self) -> str:
        """The counts in words."""
        return ", ".join(f"{name}: {count:,}" for name, count in self.counts.most_common())


async def once(line: Line, question: Question, tally: Tally, patience: float = 120.0) -> str:
    """Ask once; returns the outcome, which is counted."""
    request, began = question.request(), perf_counter()
    try:
        async with asyncio.timeout(patience):
            status, headers, content = await line.ask(request)
    except TimeoutError:
        return _counted(tally, "timed out")
    except (OSError, asyncio.IncompleteReadError) as error:
        tally.faults.append(f"torn: {error!r}")
        return _counted(tally, "torn")
    seconds = perf_counter() - began
    if status != 200:
        tally.refused_seconds.append(seconds)
        if status not in (429, 503) or "retry-after" not in headers:
            tally.faults.append(f"{status} {headers}: {content[:300]!r}")
        return _counted(tally, str(status))
    large = len(content) > PIECE_BYTES  # else the others wait meanwhile
    if wrong := await asyncio.to_thread(question.wrong, content) if large else question.wrong(content):
        tally.faults.append(f"{question.function}: {wrong}")
        return _counted(tally, "wrong")
    tally.seconds.append(seconds)
    return _counted(tally, RIGHT)


def _counted(tally: Tally, outcome: str) -> str:
    tally.counts[outcome] += 1
    return outcome


async def quiet(tasks: list["asyncio.Task"]) -> None:
    """Cancel tasks, and await their end."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
