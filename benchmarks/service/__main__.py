"""``sqrt_mean`` with 2 × 10,000 numbers a request, 8 connections, by turns with ``peers/obvious.py``.

Needs ``wrk``. Each server is one process; both cores are shared with the load, so only ratios count.
Expected: tens of times more requests a second in the binary formats, where nothing is parsed.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import numpy as np
import safetensors.numpy

from benchmarks.measure import machine, numpy_product, spread, timed
from benchmarks.report import bars, table, write

ROOT = Path(__file__).parents[2]
CONNECTIONS, SECONDS, ROUNDS = 8, 4, 5
SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "{kind}"
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
file:close()
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("FIGURES %d %d %d\\n", summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(command: list[str], ready: str, **variables: str) -> Iterator[None]:
    """A server process, until it answers and then until the end."""
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | variables, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                if httpx.get(ready).status_code in (200, 404):
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


def bodies() -> dict[str, tuple[str, str, bytes]]:
    """Content-Type, query and body of each kind of request."""
    generator = np.random.default_rng(0)
    x1, x2 = generator.random((2, 10_000), np.float32)
    text = json.dumps({"x1": x1.tolist(), "x2": x2.tolist()}).encode()
    named = json.dumps({"function": "sqrt_mean", "x1": x1.tolist(), "x2": x2.tolist()}).encode()
    tensors = safetensors.numpy.save({"x1": x1, "x2": x2})
    return {
        "obvious, JSON": ("application/json", "", text),
        "ours, JSON": ("application/json", "", named),
        "ours, safetensors": ("application/vnd.safetensors", "?function=sqrt_mean", tensors),
    }


def requests_per_second(url: str, kind: str, body: Path, folder: Path) -> float:
    """One turn of ``wrk``.

    Raises:
        RuntimeError: if any request failed: what failed is not fast.
    """
    script = folder / "post.lua"
    script.write_text(SCRIPT.format(kind=kind, body=body))
    command = [
        "wrk",
        "-t",
        "1",
        "-c",
        str(CONNECTIONS),
        "-d",
        f"{SECONDS}s",
        "--timeout",
        "10s",
        "-s",
        str(script),
        url,
    ]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    match = re.search(r"FIGURES (\d+) (\d+) (\d+)", printed)
    if match is None or int(match[3]):
        raise RuntimeError(f"requests failed:\n{printed}")
    return int(match[1]) / int(match[2]) * 1e6


def measured(urls: Mapping[str, str], folder: Path) -> tuple[dict[str, list[float]], list[float]]:
    """Requests per second of each kind, round by round, and the matrix product beside them."""
    square = numpy_product()
    figures: dict[str, list[float]] = {name: [] for name in urls}
    product = []
    for turn in range(ROUNDS + 1):
        product.append(timed(square))
        for name, (kind, query, body) in bodies().items():
            file = folder / "body"
            file.write_bytes(body)
            rate = requests_per_second(f"{urls[name]}/jjt{query}", kind, file, folder)
            if turn:  # the first turn warms up
                figures[name].append(rate)
    return figures, product


def main() -> None:
    """Measure, and write ``results/service``."""
    if shutil.which("wrk") is None:
        sys.exit("this benchmark needs wrk; Debian has it in the package wrk")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        registry = folder / "registry"
        registry.mkdir()
        shutil.copy(ROOT / "registry" / "sqrt_mean.py", registry)
        here, there = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        port = here.rpartition(":")[2]
        command = [sys.executable, "-m", "app", "serve", "--port", port, "--registry", str(registry)]
        quiet = {"JJT_DATA": str(folder / "data"), "JJT_LOG": "json"}
        stack.enter_context(running(command, f"{here}/readyz", **quiet))
        port = there.rpartition(":")[2]
        command = [sys.executable, "-m", "uvicorn", "benchmarks.peers.obvious:app", "--port", port]
        stack.enter_context(running([*command, "--no-access-log"], f"{there}/openapi.json"))
        while httpx.get(f"{here}/readyz").status_code != 200:
            time.sleep(0.1)
        urls = {kind: there if kind.startswith("obvious") else here for kind in bodies()}
        figures, product = measured(urls, folder)
    report(figures, product)


def report(figures: Mapping[str, list[float]], product: list[float]) -> None:
    """Write the table and the plot."""
    base = figures["obvious, JSON"]
    rows = []
    for kind, rates in figures.items():
        ratio = spread([rate / other for rate, other in zip(rates, base, strict=True)])
        rows.append([kind, f"{spread(rates):.0f}", f"{ratio:.1f}"])
    head = ["", "requests/s (quartiles)", "times the obvious endpoint's (quartiles)"]
    each = f"{CONNECTIONS} connections, {ROUNDS} turns of {SECONDS} s"
    about = f"`sqrt_mean`, 2 × 10,000 numbers a request, {each}."
    text = f"# Service\n\n{machine(product)}.\n\n{about}\n\n{table(head, rows)}"
    write("service", text, {kind: list(rates) for kind, rates in figures.items()})
    medians = {kind: spread(rates).median for kind, rates in figures.items()}
    bars("service", "Requests per second", "requests per second", {"sqrt_mean": medians})


if __name__ == "__main__":
    main()
