"""``jjt demo``: a server of its own on a free port, the first example through it, and where the time went."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table

from app.errors import ServiceError

START_SECONDS = 120
BAR = 40


def demo(registry: str | None) -> int:
    """Post the example of ``sqrt_mean``, or else of the first function, twice: cold and warm."""
    console = Console()
    with _server(registry) as url:
        names = [item["name"] for item in _get(f"{url}/functions")[0]["functions"]]
        name = "sqrt_mean" if "sqrt_mean" in names else names[0]
        body, _ = _get(f"{url}/functions/{name}/example")
        console.print(f"POST /jjt with the example of {name}")
        answer, cold = _post(f"{url}/jjt", body)
        _, warm = _post(f"{url}/jjt", body)
    console.print(f"{answer['function']}@{answer['version']} wrt {answer['wrt']} by {answer['algorithm']}")
    console.print(_matrix(answer))
    console.print(_bars("first request", cold))
    console.print(_bars("the same again", warm))
    return 0


@contextmanager
def _server(registry: str | None) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flags = ["--registry", registry] if registry else []
    command = [sys.executable, "-m", "app", "serve", "--port", str(port), "--no-reload", *flags]
    environment = {name: value for name, value in os.environ.items() if name != "JJT_KEYS"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)  # noqa: S603
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(process, url)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(START_SECONDS)


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str) -> None:
    for _ in range(START_SECONDS * 10):
        if process.poll() is not None:
            raise ServiceError("the server ended before it was ready; its reason stands above")
        try:
            _get(f"{url}/readyz")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    raise ServiceError(f"the server was not ready after {START_SECONDS} seconds")


def _get(url: str) -> tuple[Any, dict[str, float]]:
    with urllib.request.urlopen(url) as response:  # noqa: S310
        return json.load(response), {}


def _post(url: str, body: Any) -> tuple[Any, dict[str, float]]:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(request) as response:  # noqa: S310
        stages = re.findall(r"(\w+);dur=([\d.]+)", response.headers["Server-Timing"])
        return json.load(response), {stage: float(milliseconds) for stage, milliseconds in stages}


def _matrix(answer: dict[str, Any], most: int = 10) -> Table:
    """The first rows and columns of the matrix, its axes folded into two."""
    half = len(answer["shape"]) // 2
    rows = answer["matrix"]
    for _ in range(half - 1):
        rows = [_folded(row) for outer in rows for row in outer]
    table = Table(box=None, show_header=False, pad_edge=False)
    for row in rows[:most]:
        table.add_row(*(f"{entry:.7e}" for entry in _folded(row)[:most]))
    return table


def _folded(row: list[Any]) -> list[Any]:
    while row and isinstance(row[0], list):
        row = [entry for inner in row for entry in inner]
    return row


def _bars(title: str, stages: dict[str, float]) -> Table:
    table = Table(title, "ms", "", box=None, pad_edge=False)
    longest = max(stages.values()) or 1.0
    for stage, milliseconds in stages.items():
        table.add_row(stage, f"{milliseconds:.3f}", "█" * round(BAR * milliseconds / longest))
    return table
