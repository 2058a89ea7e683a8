"""Streamed answers without a socket: what is too large, and readers that a server reports as it likes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.api.extensions import CUT
from app.wire import CODECS
from tests.api.conftest import opened, settings_for
from tests.api.test_failures import check

pytestmark = pytest.mark.anyio

BINARY = [name for name, codec in CODECS.items() if codec.framed is not None]
NPY = {"Accept": "application/x-npy"}
STALL_SECONDS = 0.3
MOST_BYTES = 4 << 20


@pytest.fixture(scope="module")
async def strict(anyio_backend: str, registry: Path) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """A service that holds answers of 1 MiB, streams those of 4 MiB, and has little patience."""
    sizes = {"max_answer_bytes": 1 << 20, "max_stream_bytes": MOST_BYTES}
    async with opened(settings_for(registry, stall_seconds=STALL_SECONDS, **sizes)) as pair:
        yield pair


def waves(n: int) -> dict[str, Any]:
    """A matrix of 16 n² bytes."""
    return {"function": "two_waves", "x1": [[0.3, 1.0, 2.0]] * n}


@pytest.mark.parametrize("media_type", BINARY)
async def test_what_is_too_large_to_be_held_is_streamed_in_binary_formats(strict, media_type: str) -> None:
    _, client = strict
    refused = check(await client.post("/jjt", json=waves(400)), 422, "answer_too_large")
    assert media_type in refused["detail"]
    plain = {"Accept": media_type, "Accept-Encoding": "identity"}
    answer = await client.post("/jjt", json=waves(400), headers=plain)
    assert answer.status_code == 200
    assert len(answer.content) == int(answer.headers["content-length"]) > refused["needed_bytes"]
    assert "jjt-non-finite" not in answer.headers, "it was not held"


async def test_an_answer_that_is_to_be_verified_is_held_or_refused(strict) -> None:
    _, client = strict
    post = {"json": {**waves(400), "verify": 2}, "headers": NPY}
    refused = check(await client.post("/jjt", **post), 422, "answer_too_large")
    assert refused["allowed_bytes"] == 1 << 20
    assert "verify" in refused["detail"]


async def test_what_is_too_large_to_be_streamed_is_refused(strict) -> None:
    _, client = strict
    refused = check(await client.post("/jjt", json=waves(600), headers=NPY), 422, "answer_too_large")
    assert (refused["needed_bytes"], refused["allowed_bytes"]) == (16 * 600**2, MOST_BYTES)


class Server:
    """The server's side of one request: a head, a body, and what happens afterwards.

    Args:
        extensions: that it offers.
        take: is awaited with each piece of the answer's body.
    """

    def __init__(self, extensions: dict[str, Any], take: Callable[[bytes], Awaitable[None]]) -> None:
        self.gone = asyncio.Event()
        self.headers: dict[bytes, bytes] = {}
        self.body: list[bytes] = []
        self._extensions, self._take = extensions, take
        self._asked = False

    async def serve(self, app: FastAPI, body: bytes) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": "/jjt",
            "raw_path": b"/jjt",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json"), (b"accept", b"application/x-npy")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "extensions": self._extensions,
        }
        self._request = body
        await app(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": self._request, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.headers = dict(message["headers"])
        else:
            await self._take(message["body"])
            self.body.append(bytes(message["body"]))


async def never(_: bytes) -> None:
    await asyncio.Event().wait()


async def test_pieces_are_small_and_together_of_the_length_that_was_said(strict) -> None:
    app, client = strict

    async def take(piece: bytes) -> None:
        await asyncio.sleep(0)

    server = Server({}, take)
    await server.serve(app, json.dumps(waves(400)).encode())
    assert max(map(len, server.body)) <= 1 << 20
    assert sum(map(len, server.body)) == int(server.headers[b"content-length"])
    again = await client.post("/jjt", json=waves(400), headers=NPY)
    assert b"".join(server.body) == again.content


async def test_a_reader_that_stalls_is_cut_where_the_server_can(strict) -> None:
    app, _ = strict
    server = Server({}, never)
    server._extensions[CUT] = server.gone.set
    async with asyncio.timeout(20):
        await server.serve(app, json.dumps(waves(400)).encode())
    assert server.gone.is_set()
    assert server.body == []


async def test_where_the_server_cannot_cut_it_is_told_by_an_exception(strict) -> None:
    app, _ = strict
    with pytest.raises(Exception, match=f"{STALL_SECONDS}"):
        await Server({}, never).serve(app, json.dumps(waves(400)).encode())


async def test_a_reader_that_is_slow_but_reads_is_waited_for(strict) -> None:
    app, _ = strict

    async def take(piece: bytes) -> None:
        await asyncio.sleep(STALL_SECONDS / 2)

    server = Server({}, take)
    await server.serve(app, json.dumps(waves(300)).encode())
    assert sum(map(len, server.body)) == int(server.headers[b"content-length"])
    assert len(server.body) * STALL_SECONDS / 2 > 2 * STALL_SECONDS


async def test_a_reader_that_leaves_ends_the_answer(strict) -> None:
    app, client = strict

    async def leave(_: bytes) -> None:
        server.gone.set()
        await asyncio.Event().wait()

    server = Server({}, leave)
    async with asyncio.timeout(20):
        await server.serve(app, json.dumps(waves(400)).encode())
    assert 'jjt_streams_total{end="left"} 1.0' in (await client.get("/metrics")).text


async def test_nothing_of_a_stream_is_held_after_its_end(strict) -> None:
    _, client = strict
    text = (await client.get("/metrics")).text
    assert "jjt_queue_requests 0.0" in text
    assert "jjt_queue_bytes 0.0" in text
