"""The body is read under a limit, chunk by chunk, and not before Accept and Content-Type were looked at."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.api.test_failures import check
from tests.api.test_jjt import BODY

pytestmark = pytest.mark.anyio

LIMIT = 200_000  # of the service fixture
JSON = {"Content-Type": "application/json"}


class Unread(Exception):
    """Someone read the body."""


async def never() -> AsyncIterator[bytes]:
    raise Unread
    yield b""


async def padded(size: int, chunk: int = 10_000) -> AsyncIterator[bytes]:
    """A good body, padded with spaces to a size, in chunks and without Content-Length."""
    import json

    whole = json.dumps(BODY).encode().ljust(size)
    for start in range(0, size, chunk):
        yield whole[start : start + chunk]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({**JSON, "Accept": "text/html"}, 406, "not_acceptable"),
        ({**JSON, "Accept": "application/json;q=0"}, 406, "not_acceptable"),
        ({}, 415, "unknown_format"),
        ({"Content-Type": "application/x-python-pickle"}, 415, "unknown_format"),
        ({"Content-Type": "application/json; charset=latin-1"}, 415, "unknown_format"),
        ({**JSON, "Content-Length": str(LIMIT + 1)}, 413, "body_too_large"),
        ({**JSON, "Content-Length": "9" * 40}, 413, "body_too_large"),
    ],
)
async def test_what_the_headers_already_refuse_is_refused_before_the_body(
    client: httpx.AsyncClient, headers: dict[str, str], status: int, code: str
) -> None:
    check(await client.post("/jjt", content=never(), headers=headers), status, code)


async def test_two_content_types_are_none(client: httpx.AsyncClient) -> None:
    headers = [("Content-Type", "application/json"), ("Content-Type", "application/json")]
    check(await client.post("/jjt", content=never(), headers=headers), 415, "unknown_format")


@pytest.mark.parametrize(("size", "status"), [(LIMIT - 1, 200), (LIMIT, 200), (LIMIT + 1, 413)])
async def test_the_limit_holds_to_the_byte_without_content_length(
    client: httpx.AsyncClient, size: int, status: int
) -> None:
    answer = await client.post("/jjt", content=padded(size), headers=JSON)
    assert answer.status_code == status
    if status == 413:
        assert check(answer, 413, "body_too_large")["allowed_bytes"] == LIMIT


async def test_reading_stops_at_the_limit(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 10_000
            yield b" " * 10_000

    check(await client.post("/jjt", content=endless(), headers=JSON), 413, "body_too_large")
    assert sent <= LIMIT + 20_000


async def test_a_lying_content_length_does_not_lift_the_limit(client: httpx.AsyncClient) -> None:
    headers = {**JSON, "Content-Length": "10"}
    check(await client.post("/jjt", content=padded(LIMIT + 1), headers=headers), 413, "body_too_large")


async def test_many_tiny_chunks_are_one_body(client: httpx.AsyncClient) -> None:
    answer = await client.post("/jjt", content=padded(5_000, chunk=1), headers=JSON)
    assert answer.status_code == 200
