"""Mutated bodies against a service that runs: it answers or refuses each, in time, and stays small."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.wire import ENCODINGS
from tests.e2e import fuzz
from tests.e2e.server import Server, registry_of, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("fuzz")
    registry = registry_of(folder, "four_sines")
    with serving(folder, registry, reload=False, max_body_bytes=fuzz.MAX_BODY_BYTES) as server:
        yield server


def right(server: Server, count: int, seed: int) -> None:
    found = fuzz.run(server, count, seed)
    assert not found.faults
    assert sum(found.counts.values()) == count
    kinds = {*fuzz.KINDS, *(f"{kind}.{coding}" for kind in fuzz.KINDS for coding in ENCODINGS)}
    assert {suffix for suffix, status in found.counts if status == 400} == kinds
    assert {suffix for suffix, status in found.counts if status == 200} == kinds
    assert found.grown_mib < fuzz.GROWTH_MIB
    assert server.answers("/livez")


def test_mutated_bodies_are_answered_or_refused(server: Server) -> None:
    right(server, 500, seed=0)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_twenty_thousand_mutated_bodies_are_answered_or_refused(server: Server) -> None:
    right(server, 20_000, seed=1)


def test_the_corpus_has_every_format() -> None:
    assert {suffix.partition(".")[0] for suffix, _ in fuzz.kept()} == set(fuzz.KINDS)
    assert {suffix.partition(".")[2] for suffix, _ in fuzz.kept()} == {"", *ENCODINGS}


@pytest.mark.parametrize(
    ("suffix", "body"), fuzz.kept(), ids=[file.name for file in sorted(fuzz.CORPUS.iterdir())]
)
def test_what_was_kept_is_answered_or_refused(server: Server, suffix: str, body: bytes) -> None:
    async def once() -> tuple[int, str]:
        async with httpx.AsyncClient(base_url=server.url, timeout=10) as client:
            return await fuzz.send(client, suffix, body)

    status, wrong = asyncio.run(once())
    assert not wrong
    assert status in (200, 400, 413, 422, 504)


PROBLEM = {"content-type": "application/problem+json"}


@pytest.mark.parametrize(
    ("status", "headers", "content", "wrong"),
    [
        (200, {}, b"[]", False),
        (200, {}, b"", True),
        (400, PROBLEM, b'{"code": "decode_error"}', False),
        (400, {"content-type": "text/plain"}, b"Invalid HTTP request received.", True),
        (429, PROBLEM, b'{"code": "queue_full"}', False),
        (500, PROBLEM, b'{"code": "compute_failed"}', True),
        (500, PROBLEM, b'{"code": "verification_failed"}', False),
        (502, PROBLEM, b'{"code": "verification_failed"}', True),
        (504, PROBLEM, b'{"code": "deadline_passed"}', False),
    ],
)
def test_a_fault_is_a_failure_that_nobody_asked_for(
    status: int, headers: dict[str, str], content: bytes, wrong: bool
) -> None:
    assert bool(fuzz.fault(httpx.Response(status, headers=headers, content=content))) is wrong


def test_silence_and_a_closed_connection_are_faults() -> None:
    async def broken(closes: bool) -> tuple[int, str]:
        met = asyncio.Queue[None]()

        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1 if closes else -1)  # all of it, until the other side has had enough
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            met.put_nowait(None)

        async with await asyncio.start_server(meet, "127.0.0.1", 0) as here:
            port = here.sockets[0].getsockname()[1]
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=0.5) as client:
                said = await fuzz.send(client, "npy", b"body")
            for _ in range(2 if closes else 1):
                await met.get()
        return said

    status, wrong = asyncio.run(broken(closes=True))
    assert (status, wrong[:20]) == (0, "the connection broke")
    status, wrong = asyncio.run(broken(closes=False))
    assert (status, wrong[:9]) == (0, "no answer")


def test_what_is_kept_can_be_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = {("npy", b"\x93NUMPY"): "hung", ("json", b"{\r\n"): "500", ("json.gzip", b"\x1f"): "500"}
    fuzz.keep(faults, tmp_path)
    monkeypatch.setattr(fuzz, "CORPUS", tmp_path)
    assert sorted(fuzz.kept()) == sorted(faults)
