"""Requests per second of a kind, by ``wrk`` in one thread; and that what is timed is right."""

import re
import subprocess
from pathlib import Path

import httpx
import numpy as np

from benchmarks.service.kinds import Kind, exact

CONNECTIONS = 8
TOLERANCE = 1e-4
SCRIPT = """
wrk.method = "POST"
{headers}
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
file:close()
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("FIGURES %d %d %d\\n", summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


def check(kind: Kind, url: str) -> None:
    """Ask once, and hold the matrix against the exact one.

    Raises:
        RuntimeError: where it is another, or none.
    """
    answer = httpx.post(f"{url}{kind.target}", content=kind.body, headers=kind.headers, timeout=300)
    if answer.status_code != httpx.codes.OK:
        raise RuntimeError(f"{kind.name} answers {answer.status_code}: {answer.text[:200]}")
    if kind.matrix is None:
        return
    known = exact(kind.each)
    off = np.abs(kind.matrix(answer) - known).max() / np.abs(known).max()
    if not off < TOLERANCE:
        raise RuntimeError(f"{kind.name} answers another matrix: it is off by {off:.1e}")


def matrices_per_second(kind: Kind, url: str, folder: Path, seconds: int) -> float:
    """One turn of ``wrk``.

    Raises:
        RuntimeError: if any request failed: what failed is not fast.
    """
    body, script = folder / "body", folder / "post.lua"
    body.write_bytes(kind.body)
    headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in kind.headers.items())
    script.write_text(SCRIPT.format(headers=headers, body=body), encoding="utf-8")
    flags = ["-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "--timeout", "10s", "-s", str(script)]
    printed = subprocess.run(
        ["wrk", *flags, f"{url}{kind.target}"], capture_output=True, text=True, check=True
    ).stdout
    match = re.search(r"FIGURES (\d+) (\d+) (\d+)", printed)
    if match is None or int(match[3]) or not int(match[1]):
        raise RuntimeError(f"requests of {kind.name} failed:\n{printed}")
    return int(match[1]) / int(match[2]) * 1e6 / kind.each
