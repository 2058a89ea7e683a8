"""A device that is taken: deadlines pass on time, the queue has an end, and memory that runs out is said."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from math import cos
from pathlib import Path
from time import perf_counter

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from jax.errors import JaxRuntimeError

from app.engine import execute
from tests.api.conftest import opened, settings_for

PAIR = {"function": "two_waves", "x1": [0.1, 0.2, 0.3], "x2": [0.3, 0.5, 0.7]}
RIGHT = [[cos(0.1) * cos(0.3) + 1, 0], [0, 4 * 0.3 * 0.7]]
MORE = 10  # than there is room for

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def taken(app: FastAPI) -> AsyncIterator[None]:
    """The device, as long as this lasts, by something that cannot be stopped."""
    begun, gate = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        gate.wait(60)

    holding = asyncio.create_task(app.state.house.scheduler.on_device(hold))
    try:
        await asyncio.to_thread(begun.wait, 60)
        yield
    finally:
        gate.set()
        await holding


async def ask(client: httpx.AsyncClient, **more: object) -> httpx.Response:
    return await client.post("/jjt", json=PAIR | more)


def right(answer: httpx.Response) -> None:
    assert answer.status_code == 200, answer.text
    np.testing.assert_allclose(answer.json()["matrix"], RIGHT, rtol=1e-5)


def value(app: FastAPI, name: str) -> float:
    lines = app.state.house.metrics.text().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.split(" ")[0].split("{")[0] == name)


async def test_a_deadline_that_passes_in_the_queue_is_told_on_time_and_nothing_is_computed(service) -> None:
    app, client = service
    right(await ask(client))
    blocks = value(app, "jjt_blocks_total")
    async with taken(app):
        began = perf_counter()
        late = await ask(client, deadline_seconds=0.3)
        waited = perf_counter() - began
        assert value(app, "jjt_queue_requests") == 0
    assert (late.status_code, late.json()["code"]) == (504, "deadline_passed")
    assert 0.29 < waited < 0.6
    right(await ask(client))
    assert value(app, "jjt_blocks_total") == blocks + 1


async def test_a_deadline_that_passes_while_a_block_runs_frees_the_place_and_not_the_device(
    service, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, client = service
    (device,) = app.state.house.scheduler._devices
    monkeypatch.setattr(device, "light_seconds", 0)  # the event loop would wait at this gate
    right(await ask(client))
    gate, land, landing = threading.Event(), execute.Flight.land, []

    def slowly(flight, *args):
        landing.append(flight)
        gate.wait(60)
        return land(flight, *args)

    monkeypatch.setattr(execute.Flight, "land", slowly)
    late = await ask(client, deadline_seconds=0.3)
    assert (late.status_code, late.json()["code"]) == (504, "deadline_passed")
    assert value(app, "jjt_queue_requests") == 0
    after = asyncio.create_task(ask(client))
    await asyncio.sleep(0.2)
    assert not after.done(), "the block of the late one still has the device"
    assert len(landing) == 1
    gate.set()
    right(await after)
    assert len(landing) == 2


@pytest.mark.parametrize("bound", ["seconds", "bytes"])
async def test_where_one_runs_and_one_waits_the_rest_are_refused_at_once(registry: Path, bound: str) -> None:
    async with opened(settings_for(registry)) as (app, _):
        house = app.state.house
        seconds = house.engine.explain(house.catalog.get("two_waves"), 1, 1).seconds
    # One alone may hold more than is allowed; two hold their bodies and two matrices each.
    nbytes = len(httpx.Request("POST", "http://x", json=PAIR).content) + 2 * np.array(RIGHT, "f").nbytes
    room = {
        # Blocks may be long: a request that was let in waits for one beyond what is allowed.
        "seconds": {"queue_seconds": 1.5 * seconds, "block_seconds": 30},
        "bytes": {"queue_bytes": int(2.5 * nbytes)},
    }
    async with opened(settings_for(registry, **room[bound])) as (app, client):
        right(await ask(client))
        async with taken(app):
            begun = [asyncio.create_task(ask(client)) for _ in range(2)]
            while value(app, "jjt_queue_requests") < 2:  # noqa: ASYNC110 - asked as clients ask
                await asyncio.sleep(0.001)
            began = perf_counter()
            rest = await asyncio.gather(*(ask(client) for _ in range(MORE)))
            assert perf_counter() - began < 1.0
            assert value(app, "jjt_queue_requests") == 2
            assert not any(each.done() for each in begun)
        for each in begun:
            right(await each)
        assert {(each.status_code, each.json()["code"]) for each in rest} == {(429, "queue_full")}
        assert all(int(each.headers["retry-after"]) >= 1 for each in rest)
        right(await ask(client))


class WithoutRoom:
    """The block of a device that had no room for it."""

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")


@pytest.mark.parametrize(("failures", "status"), [(1, 200), (2, 503)])
async def test_memory_that_runs_out_is_tried_again_once_and_harms_nobody_else(
    service, monkeypatch: pytest.MonkeyPatch, failures: int, status: int
) -> None:
    app, client = service
    right(await ask(client))
    land, left = execute.Flight.land, [None] * failures
    before = value(app, "jjt_out_of_memory_total")

    def without_room(flight, *args):
        if left:
            left.pop()
            flight = replace(flight, array=WithoutRoom())
        return land(flight, *args)

    monkeypatch.setattr(execute.Flight, "land", without_room)
    answer = await ask(client)
    assert answer.status_code == status
    if status == 503:
        assert answer.json()["code"] == "out_of_memory"
    else:
        right(answer)
    assert value(app, "jjt_out_of_memory_total") == before + failures
    right(await ask(client))
    assert value(app, "jjt_queue_requests") == 0
