"""A service of its own, a crowd of clients, and whether anything grows. Exits 1 if a bound fails.

``--minutes 20`` writes ``results/soak``; ``--short`` takes twenty seconds and writes nothing. The second
half is what counts; while the traffic goes on, nothing that clients do may be answered wrong. The registry
is a temporary copy, and at most ``EXECUTABLES`` compiled programs are held, which the shapes of the questions
exceed many times.
"""

import argparse
import asyncio
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from random import Random

import httpx

from app.catalog import Catalog
from benchmarks.measure import machine, numpy_product, timed
from benchmarks.report import table, write
from benchmarks.serving import ROOT, Process
from benchmarks.soak import clients, watching
from benchmarks.soak.clients import Tally
from benchmarks.soak.questions import Question, Subject, draw, subject

REGISTRY, SAMPLES = ROOT / "registry", ROOT / "tests" / "e2e" / "functions"
MOST = {"sqrt_mean": 7, "gum_impedance": 20, "digits_mlp": 5, "two_waves": 70, "f": 20}
EDITED = "four_sines.py"
EXECUTABLES = 64
BODY_BYTES = 4 << 20
WORKERS = 6
REST_SECONDS, SHORT_SECONDS = 30.0, 20.0


def registry_below(folder: Path) -> Path:
    """A registry of its own, with functions large and small, and one that raises."""
    registry = folder / "registry"
    registry.mkdir()
    for name in ("sqrt_mean", "gum_impedance"):
        shutil.copy(REGISTRY / f"{name}.py", registry)
    for name in ("two_waves.py", "treacherous.py", EDITED):
        shutil.copy(SAMPLES / name, registry)
    shutil.copytree(REGISTRY / "digits_mlp", registry / "digits_mlp")
    return registry


@contextmanager
def serving(folder: Path, registry: Path) -> Iterator[Process]:
    """The service, from when it is ready to its end; SIGTERM has to end it with 0."""
    service = Process(folder, registry=registry, executables=EXECUTABLES, max_body_bytes=BODY_BYTES)
    try:
        yield service
        if code := service.end():
            raise RuntimeError(f"the service ended with {code}")
    finally:
        service.process.kill()
        service.process.wait()


def known(registry: Path) -> list[Subject]:
    """The functions, each with the matrix of its pool."""
    catalog = Catalog((registry,))
    catalog.load()
    return [subject(catalog.get(name), most) for name, most in MOST.items()]


async def crowd(
    service: Process, subjects: list[Subject], seconds: float, registry: Path, body: Path, tally: Tally
) -> None:
    """All clients together, until the time is over and each has ended its last turn."""
    until = time.monotonic() + seconds
    file = registry / EDITED
    text = file.read_text(encoding="utf-8")
    limits = httpx.Limits(max_connections=WORKERS + 2, keepalive_expiry=2.0)
    async with httpx.AsyncClient(
        base_url=service.url, timeout=clients.PATIENCE_SECONDS, limits=limits
    ) as http:

        async def worker(seed: int) -> None:
            source = Random(seed)
            while time.monotonic() < until:
                await clients.one_turn(http, service.port, subjects, source, tally)

        async def killer() -> None:
            source = Random(-1)
            while time.monotonic() < until - 3:
                await clients.killing(service.port, body, source, tally)
                await asyncio.sleep(seconds / 40 + 1)

        async def editor() -> None:
            turn = 0
            while time.monotonic() < until - 3:
                await asyncio.sleep(seconds / 40 + 1)
                await clients.reloading(http, file, text, turn, tally)
                turn += 1

        await asyncio.gather(killer(), editor(), *(worker(seed) for seed in range(WORKERS)))


async def soak(
    service: Process, subjects: list[Subject], seconds: float, registry: Path, tally: Tally
) -> list[watching.Sample]:
    """The crowd, watched every few seconds.

    Returns:
        The samples, in order; the first is from before, the last from after all clients are gone.
    """
    body = registry.parent / "body.json"
    # A list of places in the pool makes the batch axis.
    (mean,) = (each for each in subjects if each.name == "sqrt_mean")
    body.write_bytes(Question(mean, [0, 1, 2], None, "lists", "npy").request()[2])
    with httpx.Client(base_url=service.url, timeout=30) as http:
        began = time.monotonic()

        def look() -> watching.Sample:
            return watching.look(service.process.pid, watching.metrics_of(http), began)

        samples = [look()]
        work = asyncio.ensure_future(crowd(service, subjects, seconds, registry, body, tally))
        while not work.done():
            await asyncio.wait((work,), timeout=max(0.5, seconds / 240))
            samples.append(await asyncio.to_thread(look))
        work.result()
        last, until = look(), time.monotonic() + REST_SECONDS
        while not watching.at_rest(samples[0], last):
            if time.monotonic() > until:
                tally.faults.append(f"not at rest after {REST_SECONDS:.0f} seconds: {last} from {samples[0]}")
                break
            await asyncio.sleep(0.5)
            last = look()
        return [*samples, last]


async def last_question(service: Process, subjects: list[Subject], tally: Tally) -> None:
    """One good question for each function, when all is over."""
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as http:
        for each in subjects:
            await clients.good(http, draw([each], Random(0)), tally, "last")
    if tally.counts["last", "200"] != len(subjects):
        tally.faults.append("the last questions were not all answered")


def said(log: Path) -> Counter[str]:
    """How often the log warned of what."""
    lines = re.findall(r'"event": ?"([^"]*)".*"level": ?"(warning|error|critical)"', log.read_text("utf-8"))
    return Counter(f"{level}: {event[:60]}" for event, level in lines)


def report(
    samples: list[watching.Sample], verdicts: list[watching.Verdict], tally: Tally, about: list[str]
) -> str:
    """The whole run in Markdown."""
    rows = [[kind, outcome, f"{count:,}"] for (kind, outcome), count in sorted(tally.counts.items())]
    measures = [
        [
            each.measure,
            f"{each.first:.1f}",
            f"{each.last:.1f}",
            f"{each.per_minute:+.3f}",
            each.bound,
            "yes" if each.holds else "**no**",
        ]
        for each in verdicts
    ]
    head, *over_time = watching.columns(samples)
    parts = [
        "# Soak",
        *about,
        "Over the second half:",
        table(["measure", "first", "last", "a minute", "may grow by", "holds"], measures),
        "Over all of it:",
        table(head, over_time),
        table(["client", "what came of it", "times"], rows),
        f"Faults: {len(tally.faults)}.",
        *(f"* {fault}" for fault in tally.faults[:20]),
    ]
    return "\n\n".join(parts)


def main() -> int:
    """Run it.

    Returns:
        0 if nothing was at fault and every bound holds.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--short", action="store_true", help="twenty seconds; nothing is written")
    asked = parser.parse_args()
    seconds = SHORT_SECONDS if asked.short else asked.minutes * 60
    square, tally = numpy_product(), Tally()
    speed = machine([timed(square) for _ in range(3)])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        registry = registry_below(folder)
        subjects = known(registry)
        with serving(folder, registry) as service:
            samples = asyncio.run(soak(service, subjects, seconds, registry, tally))
            asyncio.run(last_question(service, subjects, tally))
            programs = watching.value_of(httpx.get(f"{service.url}/metrics").text, "jjt_programs_total")
        warnings = said(service.log)
    verdicts = watching.judged(samples[1:-1])
    total = sum(tally.counts.values())
    logged = ", ".join(f"{event} ({n})" for event, n in sorted(warnings.items())) or "nothing"
    about = [
        f"{speed}.",
        f"{seconds / 60:.1f} minutes, {total:,} turns of {WORKERS} clients beside those that are killed.",
        f"{programs:,.0f} programs were made ready; {EXECUTABLES} may be held at once.",
        f"The log warned of: {logged}.",
    ]
    text = report(samples, verdicts, tally, about)
    if asked.short:
        print(text)
    else:
        figures = {
            "samples": [asdict(each) for each in samples],
            "verdicts": [asdict(each) for each in verdicts],
            "counts": {f"{kind}: {outcome}": n for (kind, outcome), n in sorted(tally.counts.items())},
            "faults": tally.faults,
        }
        write("soak", text, figures)
    return int(bool(tally.faults) or not all(each.holds for each in verdicts))


if __name__ == "__main__":
    sys.exit(main())
