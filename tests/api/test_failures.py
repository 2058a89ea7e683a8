"""Every error is problem+json with the status and the code of the one table, whoever refuses."""

import json
import subprocess
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from app import errors
from app.api import create_app
from app.api.failures import STATUS, status_of
from tests.api.conftest import client_of, settings_for
from tests.api.test_jjt import BODY, X1

pytestmark = pytest.mark.anyio

JSON = {"Content-Type": "application/json"}


def kinds(root: type[errors.JJTError]) -> list[type[errors.JJTError]]:
    return [root, *(kind for child in root.__subclasses__() for kind in kinds(child))]


def check(answer: httpx.Response, status: int, code: str) -> dict:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), body
    assert body["type"] == "about:blank"
    assert body["title"] == HTTPStatus(status).phrase
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["detail"]
    return body


@pytest.mark.parametrize("kind", kinds(errors.JJTError), ids=lambda kind: kind.__name__)
def test_every_error_class_that_a_request_can_meet_has_a_status(kind: type[errors.JJTError]) -> None:
    abstract = {errors.JJTError, errors.RequestError, errors.ServiceError}
    at_the_start = {errors.LoadError, errors.KeyFileError}
    assert kind in abstract | at_the_start or any(parent in STATUS for parent in kind.__mro__)


def test_the_table_is_the_published_one() -> None:
    published = {
        "decode_error": 400,
        "unauthenticated": 401,
        "unknown_function": 404,
        "unknown_version": 404,
        "not_acceptable": 406,
        "request_timeout": 408,
        "body_too_large": 413,
        "unknown_format": 415,
        "spec_mismatch": 422,
        "not_applicable": 422,
        "answer_too_large": 422,
        "queue_full": 429,
        "rate_limited": 429,
        "compute_failed": 500,
        "verification_failed": 500,
        "not_ready": 503,
        "out_of_memory": 503,
        "draining": 503,
        "too_many_connections": 503,
        "deadline_passed": 504,
    }
    assert {kind.code: status for kind, status in STATUS.items()} == published
    assert status_of(errors.InvalidOption("")) == 400


REFUSED = [
    ("not json", {"content": b"{", "headers": JSON}, 400, "decode_error"),
    ("no body", {"content": b"", "headers": JSON}, 400, "decode_error"),
    ("x1 missing", {"json": {"function": "two_waves"}}, 400, "decode_error"),
    ("function missing", {"json": {"x1": X1}}, 400, "decode_error"),
    ("option unknown", {"json": {**BODY, "colour": "red"}}, 400, "decode_error"),
    ("option out of range", {"json": {**BODY, "deadline_seconds": -1}}, 400, "decode_error"),
    ("function unknown", {"json": {**BODY, "function": "../../etc/passwd"}}, 404, "unknown_function"),
    ("version empty", {"json": {**BODY, "function": "two_waves@"}}, 404, "unknown_version"),
    ("nothing acceptable", {"json": BODY, "headers": {"Accept": "text/html"}}, 406, "not_acceptable"),
    ("no content type", {"content": b"{}"}, 415, "unknown_format"),
    ("unknown content type", {"content": b"", "headers": {"Content-Type": "a/b"}}, 415, "unknown_format"),
    ("wrong shape", {"json": {**BODY, "x1": [1, 2]}}, 422, "spec_mismatch"),
    ("wrong wrt", {"json": {**BODY, "wrt": "params.head"}}, 422, "spec_mismatch"),
    ("no such algorithm", {"json": {**BODY, "algorithm": "implicit"}}, 422, "not_applicable"),
    (
        "forward through a custom_vjp",
        {"json": {"function": "treacherous", "x1": [1, 2], "algorithm": "forward"}},
        422,
        "not_applicable",
    ),
    (
        "a secret raised while computing",
        {"json": {"function": "treacherous", "x1": [1, 2e6], "algorithm": "contraction"}},
        500,
        "compute_failed",
    ),
    ("no time", {"json": {**BODY, "deadline_seconds": 1e-6}}, 504, "deadline_passed"),
]


@pytest.mark.parametrize(
    ("request_", "status", "code"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
async def test_what_cannot_be_answered_is_refused_with_its_code(
    client: httpx.AsyncClient, request_: dict, status: int, code: str
) -> None:
    body = check(await client.post("/jjt", **request_), status, code)
    assert "secret" not in json.dumps(body)
    assert (await client.get("/livez")).status_code == 200


async def test_an_answer_that_would_not_fit_names_what_would(client: httpx.AsyncClient) -> None:
    body = {"function": "two_waves", "x1": [X1] * 400}
    problem = check(await client.post("/jjt", json=body), 422, "answer_too_large")
    assert problem["allowed_bytes"] == 1 << 20
    assert problem["needed_bytes"] == 400 * 2 * 400 * 2 * 4


async def test_a_path_that_is_not_there_is_a_problem_too(client: httpx.AsyncClient) -> None:
    for path in ("/", "/nothing", "/functions/", "/functions/a/b", "/livez/"):
        check(await client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/jjt", "POST"),
        ("PUT", "/jjt", "POST"),
        ("OPTIONS", "/jjt", "POST"),
        ("POST", "/functions", "GET, HEAD"),
        ("DELETE", "/functions/two_waves", "GET, HEAD"),
        ("OPTIONS", "/livez", "GET, HEAD"),
        ("GET", "/plan", "POST"),
    ],
)
async def test_a_method_that_is_not_answered_names_those_that_are(
    client: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    answer = await client.request(method, path)
    check(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allow


async def test_head_is_get_without_a_body(client: httpx.AsyncClient) -> None:
    for path in ("/functions", "/livez", "/openapi.json", "/docs"):
        head, get = await client.head(path), await client.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == get.headers["content-length"]
    refused = await client.head("/jjt")
    assert (refused.status_code, refused.content, refused.headers["allow"]) == (405, b"", "POST")


async def test_headers_that_are_too_large_are_refused(client: httpx.AsyncClient) -> None:
    check(await client.get("/livez", headers={"X-Long": "a" * 70_000}), 431, "headers_too_large")
    long = "a" * 40_000
    check(await client.get(f"/livez?{long}", headers={"X-Long": long}), 431, "headers_too_large")


@pytest.fixture
async def unready(anyio_backend: str, registry: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A service whose lifespan never began: nothing is calibrated."""
    app = create_app(settings_for(registry))
    async with client_of(app) as client:
        yield client
    app.state.house.scheduler.close(1)


async def test_a_service_that_starts_says_that_it_is_not_ready(unready: httpx.AsyncClient) -> None:
    for answer in (await unready.post("/jjt", json=BODY), await unready.post("/plan", json={})):
        problem = check(answer, 503, "not_ready")
        assert answer.headers["retry-after"] == "1"
        assert problem["reasons"]
    ready = await unready.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    assert any("calibrated" in reason for reason in ready.json()["reasons"])
    assert (await unready.get("/livez")).status_code == 200


async def test_no_exception_leaves_a_route(service: tuple[FastAPI, httpx.AsyncClient]) -> None:
    app, client = service

    class Broken(dict):
        def items(self):  # pyright: ignore[reportIncompatibleMethodOverride]
            raise RuntimeError("a secret of the host")

    catalog = app.state.house.catalog
    held, catalog.functions = catalog.functions, Broken()
    try:
        body = check(await client.get("/functions"), 500, "compute_failed")
    finally:
        catalog.functions = held
    assert "secret" not in json.dumps(body)


def test_no_status_is_decided_outside_the_table() -> None:
    found = subprocess.run(
        ["grep", "-rnE", r"status_code *= *[0-9]|HTTPException\(", "app/api"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    allowed = {"app/api/functions.py": "304", "app/api/health.py": "503"}
    for line in found:
        file = line.partition(":")[0]
        assert allowed.get(file, "nothing") in line, line
