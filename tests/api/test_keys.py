"""Keys at the door: who has none gets no further, limits are honest, and no secret is said again."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.api import create_app
from app.api.clients import client_of
from app.errors import KeyFileError
from app.keys import add, minted, remove
from tests.api.conftest import client_of as api_client
from tests.api.conftest import opened, settings_for
from tests.api.test_doorway import Lines, log  # noqa: F401 - a fixture
from tests.api.test_jjt import BODY
from tests.api.test_reload import until

pytestmark = pytest.mark.anyio

OPEN = {"/livez", "/readyz", "/docs", "/redoc", "/openapi.json"}
Keys = Callable[..., str]
Lab = tuple[FastAPI, httpx.AsyncClient, str]


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """A maker of keys in the file ``tmp_path / "keys"``; returns the secret."""

    def make(name: str, **limits: float) -> str:
        key, secret = minted(name, **limits)
        add(tmp_path / "keys", key)
        return secret

    return make


@asynccontextmanager
async def keyed(registry: Path, tmp_path: Path) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    async with opened(settings_for(registry, keys=tmp_path / "keys")) as pair:
        yield pair


@pytest.fixture(scope="module")
async def lab(
    anyio_backend: str, registry: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Lab]:
    """A service with one key, for the tests that change nothing."""
    folder = tmp_path_factory.mktemp("lab")
    key, secret = minted("lab")
    add(folder / "keys", key)
    async with keyed(registry, folder) as (app, client):
        yield app, client, secret


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["code"] == code
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    return answer.json()


def value(app: FastAPI, name: str) -> float:
    lines = app.state.house.metrics.text().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


async def test_every_route_but_the_open_ones_asks_for_a_key(lab: Lab) -> None:
    _, client, secret = lab
    document = (await client.get("/openapi.json")).json()
    paths = {path.replace("{name}", "two_waves") for path in document["paths"]} | {"/nothing", "/"}
    for path in sorted(paths | OPEN):
        for method in ("GET", "POST", "HEAD", "OPTIONS"):
            without = await client.request(method, path)
            if path in OPEN:
                assert without.status_code != 401, path
                continue
            assert without.status_code == 401, (method, path)
            assert without.headers["www-authenticate"] == "Bearer"
            if method != "HEAD":
                refused(without, 401, "unauthenticated")
            assert (await client.request(method, path, headers=bearer(secret))).status_code != 401
    script = re.findall(r'src="([^"]+)"', (await client.get("/docs")).text)[0]
    assert (await client.get(script)).status_code == 200
    assert (await client.get("/static-offline-docs")).status_code == 401
    assert (await client.post("/jjt", json=BODY, headers=bearer(secret))).status_code == 200


WRONG: dict[str, list[tuple[str, bytes]]] = {
    "none": [],
    "empty": [("Authorization", b"")],
    "no key": [("Authorization", b"Bearer ")],
    "blank": [("Authorization", b"Bearer    ")],
    "another": [("Authorization", b"Bearer jjt_" + b"A" * 43)],
    "not ASCII": [("Authorization", "Bearer jjt_ключ".encode())],
    "no text": [("Authorization", b"Bearer \xff\xfe")],
    "another scheme": [("Authorization", b"Basic RIGHT")],
    "no scheme": [("Authorization", b"RIGHT")],
    "two": [("Authorization", b"Bearer RIGHT"), ("Authorization", b"Bearer RIGHT")],
    "in another header": [("X-Api-Key", b"RIGHT")],
    "in a cookie": [("Cookie", b"key=RIGHT")],
    "sixty thousand letters": [("Authorization", b"Bearer " + b"x" * 60_000)],
}


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
async def test_what_is_no_key_is_refused_and_not_repeated(lab: Lab, headers: list[tuple[str, bytes]]) -> None:
    app, client, secret = lab
    sent = [(name, value.replace(b"RIGHT", secret.encode())) for name, value in headers]
    before = value(app, 'jjt_refused_total{code="unauthenticated"}')
    answer = await client.post("/jjt", json=BODY, headers=sent)  # pyright: ignore[reportArgumentType]
    refused(answer, 401, "unauthenticated")
    assert value(app, 'jjt_refused_total{code="unauthenticated"}') == before + 1
    said = answer.content + str(answer.headers).encode()
    for _, given in sent:
        assert len(given) < 20 or given.removeprefix(b"Bearer ") not in said
    query = await client.post("/jjt", json=BODY, params={"key": secret})
    refused(query, 401, "unauthenticated")
    assert secret not in query.text


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
async def test_the_scheme_is_read_as_http_says(lab: Lab, scheme: str) -> None:
    _, client, secret = lab
    answer = await client.get("/functions", headers={"Authorization": f"{scheme} {secret}"})
    assert answer.status_code == 200


async def test_no_body_is_read_before_the_401(registry: Path, tmp_path: Path, keys: Keys) -> None:
    keys("lab")
    app = create_app(settings_for(registry, keys=tmp_path / "keys"))
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was read")

    async def send(message: Any) -> None:
        said.append(message)

    headers = [(b"content-length", b"1000"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/jjt", "query_string": b"", "headers": headers}
    await app({**scope, "client": ("1.2.3.4", 5)}, receive, send)
    assert said[0]["status"] == 401
    assert (b"connection", b"close") in said[0]["headers"]


async def test_logs_and_metrics_say_the_name_and_never_the_secret(
    registry: Path,
    tmp_path: Path,
    keys: Keys,
    log: Lines,  # noqa: F811
) -> None:
    secret = keys("lab")
    async with keyed(registry, tmp_path) as (app, client):
        log.clear()
        for headers in (bearer(secret), bearer(secret + "x"), {"Authorization": secret}):
            await client.post("/jjt", json=BODY, headers=headers)
        await client.post("/jjt", json=BODY, headers=bearer(secret), params={"key": "1"})
        text = app.state.house.metrics.text().decode()
        lines = [json.loads(line) for line in log if "request" in line]
        assert [line.get("key") for line in lines if line["event"] == "request"] == ["lab", None, None, "lab"]
        assert secret[:20] not in "".join(log) + text
        assert 'jjt_key_requests_total{key="lab"} 2.0' in text
        assert value(app, 'jjt_key_bytes_total{key="lab"}') > 2 * len(json.dumps(BODY)) - 60
        assert value(app, 'jjt_key_device_seconds_total{key="lab"}') > 0


async def test_who_shares_the_device_is_the_key_and_else_the_address(
    registry: Path, tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def spied(request: Any) -> str:
        seen.append(client_of(request))
        return seen[-1]

    monkeypatch.setattr("app.api.jjt.client_of", spied)
    secrets = [keys(name) for name in ("lab", "room")]
    async with keyed(registry, tmp_path) as (_, client):
        for secret in secrets:
            assert (await client.post("/jjt", json=BODY, headers=bearer(secret))).status_code == 200
    async with opened(settings_for(registry)) as (_, client):
        assert (await client.post("/jjt", json=BODY, headers=bearer(secrets[0]))).status_code == 200
    assert seen == ["lab", "room", "127.0.0.1"]


LIMITS = {
    "requests": {"requests_per_second": 0.8, "requests_burst": 2},
    "bytes": {"bytes_per_second": 200, "bytes_burst": 300},
    "device_seconds": {"device_seconds_per_minute": 1e-4},
}


@pytest.mark.parametrize("limit", LIMITS)
async def test_who_has_had_what_its_limits_allow_is_told_when_to_come_back_and_others_are_not_harmed(
    registry: Path, tmp_path: Path, keys: Keys, limit: str
) -> None:
    greedy, other = keys("greedy", **LIMITS[limit]), keys("other")
    async with keyed(registry, tmp_path) as (app, client):
        answer, asked = await client.post("/jjt", json=BODY, headers=bearer(greedy)), 1
        while answer.status_code == 200:
            assert asked < 10
            answer, asked = await client.post("/jjt", json=BODY, headers=bearer(greedy)), asked + 1
        problem, seconds = refused(answer, 429, "rate_limited"), int(answer.headers["retry-after"])
        assert problem["limit"] == limit
        assert problem["retry_after_seconds"] == seconds >= 1
        assert "greedy" in problem["detail"]
        assert (await client.get("/functions", headers=bearer(greedy))).status_code == 429
        assert (await client.post("/jjt", json=BODY, headers=bearer(other))).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        refusals = value(app, f'jjt_key_refused_total{{key="greedy",limit="{limit}"}}')
        assert refusals == 2 == value(app, 'jjt_refused_total{code="rate_limited"}')
        if limit != "device_seconds":  # that takes minutes, and has its laws in tests/keys
            await asyncio.sleep(seconds)
            assert (await client.post("/jjt", json=BODY, headers=bearer(greedy))).status_code == 200


async def test_device_seconds_are_those_that_were_measured(
    registry: Path, tmp_path: Path, keys: Keys
) -> None:
    secret = keys("lab")
    async with keyed(registry, tmp_path) as (app, client):
        name = 'jjt_key_device_seconds_total{key="lab"}'
        assert value(app, name) == 0
        said, many = 0.0, {**BODY, "x1": [[0.1, 0.2, 0.3]] * 300}
        for body in (BODY, many, many):
            answer = await client.post("/jjt", json=body, headers=bearer(secret))
            said += float(re.findall(r"compute;dur=([\d.]+)", answer.headers["server-timing"])[0]) / 1e3
        assert 0.1 * said < value(app, name) < 1.5 * said


@pytest.mark.parametrize("how", ["file", "SIGHUP"])
async def test_a_changed_file_is_known_soon_and_a_broken_one_changes_nothing(
    registry: Path,
    tmp_path: Path,
    keys: Keys,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
    log: Lines,  # noqa: F811
) -> None:
    path, lab = tmp_path / "keys", keys("lab")
    if how == "SIGHUP":

        async def silent(*_: Any, **__: Any) -> AsyncIterator[None]:
            await asyncio.sleep(1000)
            yield

        monkeypatch.setattr("app.api.freshness.awatch", silent)

    def tell() -> None:
        if how == "SIGHUP":
            os.kill(os.getpid(), signal.SIGHUP)

    async with keyed(registry, tmp_path) as (app, client):

        async def is_known(secret: str) -> bool:
            return (await client.get("/functions", headers=bearer(secret))).status_code == 200

        assert await is_known(lab)
        room, began = keys("room"), monotonic()
        tell()
        await until(lambda: is_known(room))
        assert monotonic() - began < 5
        assert await is_known(lab)
        assert value(app, "jjt_keys") == 2

        remove(path, "lab")
        tell()

        async def lab_is_gone() -> bool:
            return not await is_known(lab)

        await until(lab_is_gone)
        assert await is_known(room)
        text = app.state.house.metrics.text().decode()
        assert 'key="lab"' not in text
        assert 'key="room"' in text

        good = path.read_text()
        path.write_text(good + room + "\n")
        tell()

        async def counted() -> bool:
            return value(app, "jjt_keys_reload_failures_total") == 1

        await until(counted)
        assert await is_known(room)
        assert not await is_known(lab)
        (tmp_path / "beside").touch()  # a reason to look, and nothing new to say
        tell()
        await asyncio.sleep(2.5 if how == "file" else 0.3)
        said = [line for line in log if "file of keys failed" in line]
        assert len(said) == 1
        assert await counted()
        assert "line 2" in said[0]
        assert room not in "".join(log)

        path.write_text("")
        tell()

        async def nobody_is_known() -> bool:
            return not await is_known(room)

        await until(nobody_is_known)


async def test_what_changed_while_the_registry_was_read_is_known_too(
    registry: Path, tmp_path: Path, keys: Keys
) -> None:
    keys("lab")
    app = create_app(settings_for(registry, keys=tmp_path / "keys"))
    room = keys("room")
    async with app.router.lifespan_context(app), api_client(app) as client:

        async def is_known() -> bool:
            return (await client.get("/functions", headers=bearer(room))).status_code == 200

        await until(is_known)


@pytest.mark.parametrize("content", [None, "{}", "jjt_" + "A" * 43])
def test_a_file_that_cannot_be_used_stops_the_start(
    registry: Path, tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "keys").write_text(content)
    with pytest.raises(KeyFileError) as raised:
        create_app(settings_for(registry, keys=tmp_path / "keys"))
    assert str(tmp_path / "keys") in raised.value.detail
    assert "AAAA" not in raised.value.detail


async def test_the_document_says_which_routes_ask_for_a_key(lab: Lab, client: httpx.AsyncClient) -> None:
    document = (await lab[1].get("/openapi.json")).json()
    (name,) = document["components"]["securitySchemes"]
    assert document["components"]["securitySchemes"][name]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation.get("security") == (None if path in OPEN else [{name: []}]), path
            assert ("401" in operation["responses"]) == (path not in OPEN)
            assert ("rate_limited" in str(operation["responses"])) == (path not in OPEN)
    without = (await client.get("/openapi.json")).json()
    assert all(
        "security" not in operation for path in without["paths"].values() for operation in path.values()
    )
