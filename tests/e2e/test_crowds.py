"""Hundreds of clients that leave, thousands of shapes: afterwards the service is what it was before."""

import asyncio
import time
from collections.abc import Iterator
from random import Random

import httpx
import pytest

from app.catalog import Catalog
from benchmarks.soak import clients, questions, watching
from benchmarks.soak.questions import Question, Subject
from tests.e2e.server import FUNCTIONS, Server, registry_of, serving

CLIENTS = 200
EXECUTABLES = 8
REST_SECONDS = 20.0


@pytest.fixture(scope="module")
def waves() -> Subject:
    """The pool of ``two_waves``."""
    catalog = Catalog((FUNCTIONS,))
    catalog.load()
    return questions.subject(catalog.get("two_waves"), 5)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that holds few programs."""
    folder = tmp_path_factory.mktemp("crowds")
    registry = registry_of(folder, "two_waves")
    with serving(folder, registry, reload=False, executables=EXECUTABLES) as server:
        yield server


def look(server: Server) -> watching.Sample:
    text = httpx.get(f"{server.url}/metrics", timeout=30).text
    return watching.look(server.process.pid, text, time.monotonic())


def ask(server: Server, *asked: Question) -> None:
    """Ask some questions one after the other; each is answered right."""

    async def all_of_them() -> clients.Tally:
        tally = clients.Tally()
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
            for question in asked:
                await clients.good(http, question, tally)
        return tally

    tally = asyncio.run(all_of_them())
    assert not tally.faults
    assert tally.counts == {("good", "200"): len(asked)}


def leave(server: Server, waves: Subject, count: int, seed: int) -> None:
    """Have ``CLIENTS`` at a time ask and hang up within 0.3 s, so many times together."""

    async def all_of_them() -> None:
        turns, tally = iter(range(count)), clients.Tally()

        async def client(number: int) -> None:
            source = Random(f"{seed} {number}")
            for _ in turns:
                await clients.leaving(server.port, questions.draw([waves], source, 3), source, tally)

        await asyncio.gather(*(client(number) for number in range(CLIENTS)))
        assert tally.counts == {("leaving", "left"): count}

    asyncio.run(all_of_them())


@pytest.mark.parametrize(
    "count", [1_000, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(600)])]
)
def test_clients_that_leave_leave_nothing_behind(server: Server, waves: Subject, count: int) -> None:
    asked = [questions.draw([waves], Random(seed), 3) for seed in range(5)]
    ask(server, *asked)
    before = look(server)
    leave(server, waves, CLIENTS, seed=0)
    warm = look(server)
    leave(server, waves, count, seed=1)
    limit = time.monotonic() + REST_SECONDS
    while not watching.at_rest(before, after := look(server)):
        assert time.monotonic() < limit, f"{after} from {before}"
        time.sleep(0.1)
    ask(server, *asked)
    assert after.memory_mib < 1.1 * warm.memory_mib
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    "count", [48, pytest.param(5_000, marks=[pytest.mark.long, pytest.mark.timeout(3600)])]
)
def test_every_request_in_another_shape_keeps_programs_and_memory_under_their_bound(
    server: Server, waves: Subject, count: int
) -> None:
    source = Random(2)
    shapes = [(n1, n2) for n1 in range(1, 73) for n2 in range(1, 73)]
    source.shuffle(shapes)
    asked = [
        Question(
            waves,
            source.choices(range(questions.POOL), k=n1),
            source.choices(range(questions.POOL), k=n2),
            "npz",
            "npy",
        )
        for n1, n2 in shapes[:count]
    ]
    full = 3 * EXECUTABLES
    ask(server, *asked[:full])
    before, made = look(server), programs(server)
    ask(server, *asked[full:])
    after = look(server)
    assert programs(server) - made > EXECUTABLES
    assert after.code <= before.code + EXECUTABLES
    assert after.memory_mib < 1.15 * before.memory_mib


def programs(server: Server) -> float:
    """Programs that were made ready so far."""
    return watching.value_of(httpx.get(f"{server.url}/metrics", timeout=30).text, "jjt_programs_total")
