"""``verify``: a receipt beside the matrix, and a failure only where the request says what it tolerates."""

import asyncio
import io
import re

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from app.api.house import House
from app.engine import Flight
from tests.api.test_failures import check
from tests.api.test_jjt import BODY, EXACT, STAGES

pytestmark = pytest.mark.anyio

HEADER = re.compile(r"[0-9.e+-]+;entries=8;dtype=float64;evaluation=[0-9.e+-]+")


@pytest.fixture
async def crooked(service: tuple[FastAPI, httpx.AsyncClient], monkeypatch: pytest.MonkeyPatch) -> House:
    """The service with a device that gets one entry of every matrix wrong."""
    house: House = service[0].state.house
    land = Flight.land

    def off(flight, idle, observe):
        (blocks,), seconds = land(flight, idle, observe)
        wrong = []
        for block in blocks:
            array = np.array(block.array)
            array[0, 1, 0, 0] += 0.125
            wrong.append(block._replace(array=array))
        return [wrong], seconds

    monkeypatch.setattr(Flight, "land", off)
    return house


def count(house: House, name: str) -> float:
    found = re.search(
        rf'^{name}_total{{function="two_waves"}} (.*)$', house.metrics.text().decode(), re.MULTILINE
    )
    return float(found[1]) if found else 0.0


async def test_a_receipt_stands_in_json_and_in_the_header_of_every_format(client: httpx.AsyncClient) -> None:
    answer = await client.post("/jjt", json={**BODY, "verify": 100})
    receipt = answer.json()["verified"]
    assert (receipt["entries"], receipt["dtype"], len(receipt["place"])) == (EXACT.size, "float64", 4)
    assert receipt["error"] < 64
    assert receipt["evaluation"] < 64
    assert HEADER.fullmatch(answer.headers["jjt-verified"])
    npy = await client.post("/jjt?verify=100", json=BODY, headers={"Accept": "application/x-npy"})
    assert npy.headers["jjt-verified"] == answer.headers["jjt-verified"]
    np.testing.assert_allclose(np.load(io.BytesIO(npy.content)), EXACT, rtol=1e-6)
    stages = [name for name, _ in re.findall(r"(\w+);dur=(\d+\.\d+)", answer.headers["server-timing"])]
    assert stages == [*STAGES[:-1], "verify", "encode"]


async def test_without_verify_nothing_is_said(client: httpx.AsyncClient) -> None:
    answer = await client.post("/jjt", json=BODY)
    assert "verified" not in answer.json()
    assert "jjt-verified" not in answer.headers
    assert "verify" not in answer.headers["server-timing"]


async def test_a_wrong_entry_shows_and_fails_only_past_the_tolerance(
    client: httpx.AsyncClient, crooked: House
) -> None:
    body = {**BODY, "verify": 8}
    verified, failures = (count(crooked, name) for name in ("jjt_verified", "jjt_verification_failures"))
    shown = await client.post("/jjt", json=body)
    assert shown.status_code == 200
    assert shown.json()["verified"]["error"] > 1e5
    assert shown.json()["verified"]["place"] == [0, 1, 0, 0]
    tolerated = await client.post("/jjt", json={**body, "verify_tolerance": 1e30})
    assert tolerated.status_code == 200
    assert count(crooked, "jjt_verification_failures") == failures
    problem = check(
        await client.post("/jjt", json={**body, "verify_tolerance": 1e3}), 500, "verification_failed"
    )
    assert problem["error"] == shown.json()["verified"]["error"]
    assert (problem["tolerance"], problem["entries"], problem["place"]) == (1e3, 8, [0, 1, 0, 0])
    assert (problem["dtype"], problem["evaluation"]) == ("float64", shown.json()["verified"]["evaluation"])
    assert count(crooked, "jjt_verification_failures") == failures + 1
    assert count(crooked, "jjt_verified") == verified + 3


async def test_an_error_that_is_infinite_is_null_in_json_and_fails(
    client: httpx.AsyncClient, crooked: House
) -> None:
    # J of x2's second wave vanishes, and with it the scale of what the device gets wrong.
    body = {"function": "two_waves", "x1": [0.0, 0.0, 0.0], "verify": 4}
    shown = await client.post("/jjt", json=body)
    assert shown.json()["verified"]["error"] is None
    assert shown.headers["jjt-verified"].startswith("inf;entries=4;")
    problem = check(
        await client.post("/jjt", json={**body, "verify_tolerance": 1e9}), 500, "verification_failed"
    )
    assert "error" not in problem
    assert "inf eps" in problem["detail"]


@pytest.mark.parametrize(
    "options",
    [
        {"verify": 0},
        {"verify": -1},
        {"verify": 4097},
        {"verify": 2.5},
        {"verify": True},
        {"verify": "8"},
        {"verify_tolerance": 64},
        {"verify": 8, "verify_tolerance": 0},
        {"verify": 8, "verify_tolerance": "64"},
    ],
    ids=str,
)
async def test_options_that_cannot_be_are_refused(client: httpx.AsyncClient, options: dict) -> None:
    check(await client.post("/jjt", json={**BODY, **options}), 400, "decode_error")


async def test_a_deadline_holds_while_entries_are_recomputed(
    service: tuple[FastAPI, httpx.AsyncClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, client = service
    held, turns = asyncio.Event(), 0

    async def step(call, *args, client):
        nonlocal turns
        turns += 1
        await held.wait()

    await client.post("/jjt", json=BODY)
    monkeypatch.setattr(app.state.house.scheduler, "on_device", step)
    body = {**BODY, "verify": 8, "deadline_seconds": 1}
    check(await client.post("/jjt", json=body), 504, "deadline_passed")
    assert turns == 1
