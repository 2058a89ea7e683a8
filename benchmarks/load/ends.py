"""The end of the process under load, and a start after it was killed."""

import asyncio
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from benchmarks.load.calling import Tally, address, line, once
from benchmarks.load.claims import Part
from benchmarks.load.crowds import about, closed, once_more
from benchmarks.load.service import Service

SETTINGS = {"block_seconds": 0.05, "drain_seconds": 20}
CLIENTS = [address(60, number) for number in range(16)]
READY_SECONDS = 5.0
IMPORTS = "import app.cli.serving, app.api, app.catalog, jax; jax.devices()"


async def ends(folder: Path) -> Part:
    """SIGTERM while many ask; then a start, SIGKILL while many ask, and a start again."""
    part = Part(
        "Ends",
        f"{len(CLIENTS)} clients keep sending `steady` when SIGTERM comes, and when SIGKILL comes; "
        "then a start with what was kept, beside the seconds that its imports take.",
    )
    service = await asyncio.to_thread(Service, folder, **SETTINGS)
    try:
        await asyncio.to_thread(service.await_cards)
        await _terminated(service, part)
        service = await asyncio.to_thread(Service, folder, **SETTINGS)
        await _killed(service)
        imports = await asyncio.to_thread(_imports)
        service = await asyncio.to_thread(Service, folder, **SETTINGS)
        last = Tally()
        await once_more(service.target.port, about("steady"), last)
        part.most("seconds to ready beyond imports", service.start_seconds - imports, READY_SECONDS, " s")
        part.none("program from the compiler", service.target.value('jjt_programs_total{source="compiler"}'))
        part.none("wrong answer", "" if last.counts == {"right": 1} else last.said())
        part.figures |= {"imports [s]": imports, "start [s]": service.start_seconds}
    finally:
        service.end(signal.SIGKILL)
    return part


async def _terminated(service: Service, part: Part) -> None:
    tally = Tally()
    random = np.random.default_rng(0)

    async def client(source: str) -> None:
        async with line(service.target.port, source) as kept:
            while True:
                with suppress(ConnectionRefusedError):
                    await kept.open()
                    if await once(kept, about("steady")(random), tally) == "right":
                        continue
                return

    work = asyncio.gather(*(client(source) for source in CLIENTS))
    await asyncio.sleep(3.0)
    service.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    await work
    code = await asyncio.to_thread(service.process.wait, 60)
    part.most("exit code after SIGTERM", code, 0)
    part.most("seconds until it has ended", time.monotonic() - began, SETTINGS["drain_seconds"], " s")
    part.none("torn or wrong answer, or refusal without Retry-After", tally.faults[:3])
    part.figures["what came around SIGTERM"] = dict(tally.counts)


async def _killed(service: Service) -> None:
    tally = Tally()
    work = asyncio.create_task(closed(service.target.port, about("steady"), CLIENTS, 2.0, tally))
    await asyncio.sleep(1.0)
    service.end(signal.SIGKILL)
    with suppress(OSError):
        await work


def _imports() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    return time.monotonic() - began
