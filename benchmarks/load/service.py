"""A service of its own for a part of the benchmark, and what is seen of it from outside."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from benchmarks.load.questions import FUNCTIONS, OUTPUTS
from benchmarks.serving import START_SECONDS, Process
from benchmarks.soak.watching import value_of

MIB = 1 << 20
AT_REST = ("jjt_queue_requests", "jjt_queue_seconds", "jjt_queue_bytes", "jjt_lane_turns")


class Target(NamedTuple):
    """A service that is asked: its port, and its process."""

    port: int
    pid: int

    def get(self, path: str) -> str:
        """What a path is answered with."""
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return answer.read().decode()

    def metrics(self) -> str:
        """Its metrics as text."""
        return self.get("/metrics")

    def value(self, name: str) -> float:
        """One metric, summed over its labels."""
        return value_of(self.metrics(), name)

    def memory_mib(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def busy(self) -> str:
        """What of it is not at rest; nothing if all is. The request that asks is in flight itself."""
        text = self.metrics()
        left = {name: value_of(text, name) for name in AT_REST}
        left["jjt_requests_in_flight"] = value_of(text, "jjt_requests_in_flight") - 1
        return ", ".join(f"{name} {value:g}" for name, value in left.items() if value)

    async def rest(self, seconds: float = 30.0) -> tuple[float, str]:
        """Wait until it is at rest; returns the seconds that took, and what is not at rest all the same."""
        began = time.monotonic()
        await until(lambda: not self.busy(), seconds)
        return time.monotonic() - began, self.busy()


async def until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    """Look, again and again, until something holds, or for so long."""
    limit = time.monotonic() + seconds
    while not holds() and time.monotonic() < limit:  # noqa: ASYNC110 - it is in another process
        await asyncio.sleep(0.001)


class Watch:
    """Memory, sampled while something goes on."""

    def __init__(self) -> None:
        self.mib: list[float] = []

    @property
    def grown(self) -> float:
        """MiB from the mean of the first fifth that counts, after one that does not, to that of the last."""
        fifth = max(len(self.mib) // 5, 1)
        first, last = self.mib[fifth : 2 * fifth] or self.mib[-1:], self.mib[-fifth:]
        return sum(last) / len(last) - sum(first) / len(first)


@asynccontextmanager
async def watching(target: Target, every: float = 0.25) -> AsyncIterator[Watch]:
    """Sample memory as long as this lasts."""
    watch = Watch()

    async def sample() -> None:
        while True:
            watch.mib.append(target.memory_mib())
            await asyncio.sleep(every)

    task = asyncio.create_task(sample())
    try:
        yield watch
    finally:
        task.cancel()


class Service(Process):
    """A process that serves the functions beside this file.

    Args:
        folder: for its data and its log.
        settings: any but the data and the port.
    """

    def __init__(self, folder: Path, **settings: object) -> None:
        super().__init__(folder, **({"registry": FUNCTIONS, "reload": False} | settings))
        self.target = Target(self.port, self.process.pid)

    def await_cards(self) -> "Service":
        """Wait until the report cards are made: they keep the device in pauses between requests."""
        while time.monotonic() < self.began + START_SECONDS:
            cards = [json.loads(self.target.get(f"/functions/{name}"))["report"] for name in OUTPUTS]
            if all(cards):
                return self
            time.sleep(0.2)
        raise RuntimeError(f"no report cards after {START_SECONDS} seconds")


@contextmanager
def serving(folder: Path, **settings: object) -> Iterator[Service]:
    """A service, from when it is ready to its end."""
    service = Service(folder, **settings)
    try:
        yield service.await_cards()
    finally:
        service.end()
