"""Requests at the scheduler's door: one by one, at once, together as batches; on one device and on two.

Expected: 64 small requests at once are answered at three times the rate of one by one, because they are
computed as one; a lone request waits no longer than where nothing goes together; two devices answer no fewer
than one does (on a CPU both are the same cores).
"""

import json
import os
import subprocess
import sys

from benchmarks.measure import machine
from benchmarks.report import table, write

ABOUT = """Small requests: `sqrt` of a mixture of 1,000 numbers, k = 5, one example a side. Large ones: an MLP
of 256³, 8 × 8 examples. 64 small or 16 large ones of one client; every matrix was held against the
engine's own. Medians and quartiles over turns, of small ones five times 64 in a row; ratios within a turn."""

FUNCTIONS = """The same of functions that come with the service: 64 requests of one example a side, each with
inputs of its own, one by one and at once."""


def main() -> None:
    """Measure in processes of their own, and write ``results/scheduler``."""
    batches, functions, devices = _child("batches", 1), _child("functions", 1), _child("devices", 2)
    del batches["product"]
    beside = devices.pop("product")
    rows = [[name, *values] for name, values in (*batches["rows"], *devices["rows"])]
    text = "\n\n".join(
        [
            "# Scheduler",
            f"{machine(beside)}.",
            ABOUT,
            table(["way", "requests/s", "ms a request", "times the rate of the line it names"], rows),
            FUNCTIONS,
            table(["function", "one by one, ms", "at once, ms", "times the rate"], functions["rows"]),
        ]
    )
    parts = {"batches": batches, "functions": functions, "devices": devices}
    write("scheduler", text, {name: part["figures"] for name, part in parts.items()})


def _child(part: str, devices: int) -> dict:
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scheduler.measuring", part],
        env={**os.environ, "XLA_FLAGS": flags.strip()},
        stdout=subprocess.PIPE,
        check=True,
        timeout=600,
    )
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
