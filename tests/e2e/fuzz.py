"""Mutated bodies in all formats against a service that runs; what it gets wrong is kept in ``corpus/``.

    python -m tests.e2e.fuzz --count 100000

A body is named by its digest, and its suffix says its format, and how it is compressed. What is kept is
replayed by the tests, and is mutated itself the next time.
"""

import argparse
import asyncio
import contextlib
import hashlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import httpx
import numpy as np

from app.errors import BodyTooLarge, DecodeError
from app.wire import ENCODINGS
from app.wire.expansion import expanded
from benchmarks.soak import watching
from tests.e2e.server import Server, registry_of, serving
from tests.wire import bodies
from tests.wire.test_bad_bodies import mutate

CORPUS = Path(__file__).with_name("corpus")
KINDS = {
    "json": bodies.JSON,
    "form": bodies.FORM,
    "npy": bodies.NPY,
    "npz": bodies.NPZ,
    "safetensors": bodies.SAFETENSORS,
}
SUFFIXES = {kind: suffix for suffix, kind in KINDS.items()}
WORKERS = 6
HUNG_SECONDS = 30.0
MAX_BODY_BYTES = 1 << 20
WARM_SHARE = 0.2  # of the run, before memory is measured first
GROWTH_MIB = 48.0  # for shapes that were not compiled before; in 100,000 bodies a leak of 1 KB each is more
# What a valid request can ask for: no time at all, or more precision than there is. The rest is for now.
INTENDED = {500: {"verification_failed"}, 504: {"deadline_passed"}}
FOR_NOW = frozenset({429, 503})


@dataclass
class Found:
    """What came of some bodies.

    Args:
        counts: answers by format and status.
        faults: what was wrong, by body and suffix.
        before: the process after a part of the run, when its caches are warm.
        after: the process at its end.
    """

    counts: Counter[tuple[str, int]] = field(default_factory=Counter)
    faults: dict[tuple[str, bytes], str] = field(default_factory=dict)
    before: watching.Sample | None = None
    after: watching.Sample | None = None

    @property
    def grown_mib(self) -> float:
        """Memory at the end, less that when the caches were warm."""
        assert self.before
        assert self.after
        return self.after.memory_mib - self.before.memory_mib


def fault(answer: httpx.Response) -> str:
    """What is wrong with an answer to a body of which nothing is known; nothing if nothing is."""
    status = answer.status_code
    if status == httpx.codes.OK:
        return "" if answer.content else "200 without a matrix"
    if answer.headers.get("content-type") != "application/problem+json":
        return f"{status} without a problem"
    code = answer.json()["code"]
    if 400 <= status < 500 or status in FOR_NOW or code in INTENDED.get(status, ()):
        return ""
    return f"{status} {code}: {answer.text[:300]}"


async def send(client: httpx.AsyncClient, suffix: str, body: bytes) -> tuple[int, str]:
    """Post one body; a suffix such as ``json.gzip`` says how it is compressed.

    Returns:
        The status, 0 for none, and what was wrong, if anything was. A connection that is closed on the first
        attempt may have been closed for the request before; on one of its own it is this body's fault.
    """
    kind, _, coding = suffix.partition(".")
    query = "" if kind in ("json", "form") else "?function=f"
    headers = {"content-type": KINDS[kind], "content-encoding": coding}
    try:
        answer = await client.post(f"/jjt{query}", content=body, headers=headers)
    except httpx.TimeoutException:
        return 0, f"no answer within {HUNG_SECONDS:.0f} seconds"
    except httpx.TransportError:
        async with httpx.AsyncClient(base_url=client.base_url, timeout=HUNG_SECONDS) as own:
            try:
                answer = await own.post(f"/jjt{query}", content=body, headers=headers)
            except httpx.TransportError as error:
                return 0, f"the connection broke: {type(error).__name__}"
    return answer.status_code, fault(answer)


def kept() -> list[tuple[str, bytes]]:
    """The corpus: suffix and body."""
    return [(file.name.partition(".")[2], file.read_bytes()) for file in sorted(CORPUS.iterdir())]


def keep(faults: Mapping[tuple[str, bytes], str], folder: Path = CORPUS) -> list[Path]:
    """Add bodies to the corpus."""
    files = []
    for suffix, body in faults:
        files.append(folder / f"{hashlib.sha256(body).hexdigest()[:12]}.{suffix}")
        files[-1].write_bytes(body)
    return files


def nudge(body: bytes, source: random.Random) -> bytes:
    """Change one byte, a digit into a digit: more often than after ``mutate``, the body can still be read."""
    if not body:
        return mutate(body, source)
    at = source.randrange(len(body))
    digit = body[at : at + 1].isdigit()
    new = source.choice(b"0123456789") if digit else source.randrange(256)
    return body[:at] + bytes([new]) + body[at + 1 :]


def _origins() -> dict[str, list[bytes]]:
    """What is mutated, by suffix: first a body that is answered with 200, then the corpus."""
    x = np.arange(12.0).reshape(3, 4)
    valid = {SUFFIXES[kind]: [body] for kind, body in bodies.valid(x).items()}
    valid["json"].insert(0, bodies.document(x1=x.tolist(), x2=bodies.in_base64(x), deadline_seconds=5.5))
    for kind, coding in product(KINDS, ENCODINGS):
        valid[f"{kind}.{coding}"] = [ENCODINGS[coding].compress(valid[kind][0])]
    for suffix, body in kept():
        valid[suffix].append(body)
    return valid


def change(origin: bytes, suffix: str, source: random.Random) -> bytes:
    """Mutate a body: of a compressed one as often what it holds, which is then compressed in pieces."""
    how = source.choice((mutate, nudge))
    encoding = ENCODINGS.get(suffix.partition(".")[2])
    if encoding is None or source.random() < 0.5:
        return how(origin, source)
    with contextlib.suppress(DecodeError, BodyTooLarge):  # what was kept may be broken
        origin = expanded(encoding, origin, MAX_BODY_BYTES)
    changed = how(origin, source)
    at = source.randrange(len(changed) + 1)
    return b"".join(map(encoding.compress, (changed[:at], changed[at:])))


async def _run(server: Server, count: int, seed: int) -> Found:
    origins = _origins()
    found, turns, began = Found(), iter(range(count)), time.monotonic()
    async with httpx.AsyncClient(base_url=server.url, timeout=HUNG_SECONDS) as client:

        async def look() -> watching.Sample:
            text = (await client.get("/metrics")).text
            return watching.look(server.process.pid, text, began)

        async def worker(number: int) -> None:
            source = random.Random(f"{seed} {number}")
            for turn in turns:
                if turn == int(WARM_SHARE * count):
                    found.before = await look()
                suffix = source.choice([*origins])
                origin = origins[suffix][0] if source.random() < 0.7 else source.choice(origins[suffix])
                body = change(origin, suffix, source)
                status, wrong = await send(client, suffix, body)
                found.counts[suffix, status] += 1
                if wrong:
                    found.faults[suffix, body] = wrong

        await asyncio.gather(*(worker(number) for number in range(WORKERS)))
        found.after = await look()
    return found


def run(server: Server, count: int, seed: int) -> Found:
    """Send mutated bodies, each of a random format."""
    return asyncio.run(_run(server, count, seed))


def main() -> int:
    """Run it on a service of its own.

    Returns:
        1 if something was found, which is then in the corpus, or if memory grew.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.fuzz")
    parser.add_argument("--count", type=int, default=100_000, help="bodies")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: the time")
    asked = parser.parse_args()
    print(f"seed {asked.seed}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        registry = registry_of(folder, "four_sines")
        with serving(folder, registry, reload=False, max_body_bytes=MAX_BODY_BYTES) as server:
            found = run(server, asked.count, asked.seed)
            alive = server.answers("/livez")
    assert found.after
    rate = asked.count / found.after.seconds
    print(f"{asked.count:,} bodies in {found.after.seconds:.0f} s, {rate:.0f} a second")
    for (suffix, status), count in sorted(found.counts.items()):
        print(f"  {suffix:12} {status or 'none'} {count:>8,}")
    print(f"before: {found.before}\nafter:  {found.after}\nmemory grew by {found.grown_mib:.1f} MiB")
    for file, wrong in zip(keep(found.faults), found.faults.values(), strict=True):
        print(f"{file}: {wrong}")
    return int(bool(found.faults) or not alive or found.grown_mib > GROWTH_MIB)


if __name__ == "__main__":
    sys.exit(main())
