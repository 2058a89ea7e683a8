"""Where the time of one request goes: over a socket, within the application, and each stage alone.

The application is called as a server would call it, without a socket; stages are called one by one on the
event loop, on what the stage before returned. What no stage takes is the rest: the doorway, routing, headers,
and outside the application the server's loop.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import parse_qsl

from fastapi import FastAPI

from app import wire
from app.api import create_app
from app.api.extensions import READ
from app.api.house import House
from app.api.logs import configure
from app.settings import Settings
from benchmarks.measure import machine, numpy_product, timed
from benchmarks.report import table, write
from benchmarks.service.kinds import CONTESTANTS, KINDS, QUICK, Kind
from benchmarks.service.latency import connected
from benchmarks.service.servers import all_running

REQUESTS, ROUNDS = 300, 7
LIMIT_BYTES = 1 << 28
SOCKET, BARE, CALL = (
    "ours over a socket",
    "the bare server over a socket",
    "our application, called without one",
)
OUTSIDE, INSIDE = "the rest outside", "the rest within"
STAGES = ("decode", "problem", "queue and lane", "device", "encode")
CASES = {
    "arm_pose, JSON": QUICK[0],
    "sqrt_mean, JSON": next(kind for kind in KINDS if kind.name == "ours, JSON"),
    "sqrt_mean, safetensors": next(kind for kind in KINDS if kind.name == "ours, safetensors"),
}
Figures = dict[str, dict[str, list[float]]]


class Stages:
    """One request, stage by stage, each clocked.

    Args:
        house: whose parts are asked.
        kind: of the request.
    """

    def __init__(self, house: House, kind: Kind) -> None:
        self._house, self._kind = house, kind
        self._query = parse_qsl(kind.target.partition("?")[2])
        self._writer = wire.negotiate(kind.accept or None, kind.content_type)
        self.microseconds: dict[str, list[float]] = defaultdict(list)

    async def once(self) -> None:
        """Take all of them."""
        house, kind = self._house, self._kind
        with self._clocked("decode"):
            message = wire.decode(kind.content_type, kind.body, LIMIT_BYTES)
            options = wire.read_options(message.options, self._query)
        with self._clocked("problem"):
            function = house.catalog.get(options.function)
            precision = cast("Literal['highest', 'high', 'default']", options.precision)
            problem = house.engine.problem(
                function, message.arrays, message.weak, wrt=options.wrt, precision=precision
            )
        began = time.perf_counter_ns()
        with house.scheduler.admitted("benchmark", len(kind.body)) as ticket:
            deadline = asyncio.get_running_loop().time() + 60
            answer = await house.scheduler.answer(problem, options.algorithm, deadline, ticket)
        whole, device = (time.perf_counter_ns() - began) / 1e3, answer.times.compute * 1e6
        self.microseconds["queue and lane"].append(whole - device)
        self.microseconds["device"].append(device)
        with self._clocked("encode"):
            self._writer.encode(answer, options.arrays)

    @contextmanager
    def _clocked(self, stage: str) -> Iterator[None]:
        began = time.perf_counter_ns()
        yield
        self.microseconds[stage].append((time.perf_counter_ns() - began) / 1e3)


def caller(app: FastAPI, kind: Kind) -> Callable[[], Awaitable[None]]:
    """What calls the application with one request, as a server would, and waits for its answer."""
    path, _, query = kind.target.partition("?")
    headers = {"host": "localhost", "content-length": str(len(kind.body))} | kind.headers
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "extensions": {READ: lambda: True},
        "state": {},
    }

    async def call() -> None:
        waiting = [{"type": "http.request", "body": kind.body, "more_body": False}]
        left, statuses = asyncio.Event(), []

        async def receive() -> dict[str, Any]:
            if not waiting:
                await left.wait()
                return {"type": "http.disconnect"}
            return waiting.pop()

        async def send(message: MutableMapping[str, Any]) -> None:
            statuses.append(message.get("status"))

        await app({**scope, "state": {}}, receive, send)
        if statuses[0] != 200:
            raise RuntimeError(f"{kind.name} was answered with {statuses[0]}")

    return call


async def within(folder: Path, requests: int, rounds: int, figures: Figures) -> None:
    """Call the application, and its stages, by turns."""
    options: dict[str, Any] = {"data": folder / "within", "log": "json", "reload": False}
    app = create_app(Settings(registry=(folder / "registry",), **options))
    async with app.router.lifespan_context(app):
        house = app.state.house
        while house.reasons:  # noqa: ASYNC110 - until its programs are compiled
            await asyncio.sleep(0.05)
        for case, kind in CASES.items():
            call, stages = caller(app, kind), Stages(house, kind)
            for turn in range(rounds + 1):
                stages.microseconds.clear()
                taken = []
                for _ in range(requests):
                    began = time.perf_counter_ns()
                    await call()
                    taken.append((time.perf_counter_ns() - began) / 1e3)
                for _ in range(requests):
                    await stages.once()
                if turn:  # the first warms up
                    figures[case][CALL].append(statistics.median(taken))
                    for stage in STAGES:
                        figures[case][stage].append(statistics.median(stages.microseconds[stage]))


@contextmanager
def logging_to(file: Path) -> Iterator[None]:
    """Log as the service does, into a file."""
    with file.open("wb") as stream:
        configure("json", stream)
        yield
    configure("json")


def outside(urls: dict[str, str], requests: int, rounds: int, figures: Figures) -> None:
    """Ask the service, and the bare server with the same body, over a socket by turns."""
    for case, kind in CASES.items():
        with connected(kind, urls["ours"]) as ours, connected(kind, urls["bare"]) as bare:
            for turn in range(rounds + 1):
                found = {SOCKET: ours.turn(requests).p50, BARE: bare.turn(requests).p50}
                for name, value in found.items():
                    if turn:
                        figures[case][name].append(value)


def rows(figures: Figures) -> list[list[str]]:
    """A line for each place, with the medians of all cases; what is left over is a place too."""
    medians = {
        case: {name: statistics.median(values) for name, values in found.items()}
        for case, found in figures.items()
    }
    for found in medians.values():
        found[OUTSIDE] = found[SOCKET] - found[BARE] - found[CALL]
        found[INSIDE] = found[CALL] - sum(found[stage] for stage in STAGES)
    lines = [(SOCKET, SOCKET), *((f"– {name}", name) for name in (BARE, CALL, OUTSIDE))]
    lines += [(f"– – {name}", name) for name in (*STAGES, INSIDE)]
    return [[shown, *(f"{medians[case][name]:.0f}" for case in CASES)] for shown, name in lines]


def main() -> None:
    """Measure, and write ``results/stages``; what is shortened is only printed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service.stages", description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each turn")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns that count")
    asked = parser.parse_args()
    figures: Figures = {case: defaultdict(list) for case in CASES}
    product = [timed(numpy_product()) for _ in range(3)]
    contestants = [each for each in CONTESTANTS if each.name in ("ours", "bare")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with all_running(contestants, folder) as (urls, _):
            outside(urls, asked.requests, asked.rounds, figures)
        with logging_to(folder / "within.log"):
            asyncio.run(within(folder, asked.requests, asked.rounds, figures))
    about = (
        f"Microseconds of one request, medians of {asked.rounds} turns of {asked.requests}, one at a time."
    )
    head = ["", *CASES]
    parts = ("# Where the time of a request goes", f"{machine(product)}.", about, table(head, rows(figures)))
    page = "\n\n".join(parts)
    if (asked.requests, asked.rounds) == (REQUESTS, ROUNDS):
        write("stages", page, figures)
    else:
        print(page)


if __name__ == "__main__":
    main()
