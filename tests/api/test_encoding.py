"""Compressed requests and answers at the door: what headers say, what is refused when, what is reserved."""

import json
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from app.api.awaiting import INLINE_BYTES
from app.api.encoding import expand
from app.errors import BodyTooLarge, QueueFull
from app.wire import ENCODINGS, Expansion
from tests.api.test_body import JSON, LIMIT, never
from tests.api.test_failures import check
from tests.api.test_jjt import BODY, EXACT, npy

pytestmark = pytest.mark.anyio
both = pytest.mark.parametrize("name", ENCODINGS)
MANY: dict[str, Any] = {"function": "two_waves", "x1": np.linspace(0, 1, 90).reshape(30, 3).tolist()}


def compressed(name: str, data: bytes, **headers: str) -> dict[str, Any]:
    content = ENCODINGS[name].compress(data)
    return {"content": content, "headers": {**JSON, "Content-Encoding": name, **headers}}


@both
async def test_a_compressed_body_is_answered_as_the_plain_one(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.post("/jjt", **compressed(name, json.dumps(BODY).encode()))
    assert answer.status_code == 200
    np.testing.assert_allclose(answer.json()["matrix"], EXACT, rtol=1e-6)
    planned = {"function": "two_waves", "n1": 2}
    assert (await client.post("/plan", **compressed(name, json.dumps(planned).encode()))).status_code == 200


@pytest.mark.parametrize("said", ["identity", "", "Identity,"])
async def test_identity_is_no_coding(client: httpx.AsyncClient, said: str) -> None:
    answer = await client.post("/jjt", json=BODY, headers={"Content-Encoding": said})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/jjt", "/plan"])
@pytest.mark.parametrize("said", [["br"], ["deflate"], ["gzip, zstd"], ["gzip", "gzip"], ["gzip", "br"]])
async def test_other_and_stacked_codings_are_refused_before_the_body_and_told_what_is_read(
    client: httpx.AsyncClient, path: str, said: list[str]
) -> None:
    headers = [*JSON.items(), *(("Content-Encoding", each) for each in said)]
    answer = await client.post(path, content=never(), headers=headers)
    check(answer, 415, "unknown_format")
    assert answer.headers["accept-encoding"] == "zstd, gzip"


async def test_other_refusals_name_no_codings(client: httpx.AsyncClient) -> None:
    answer = await client.post("/jjt", content=b"", headers={"Content-Type": "text/plain"})
    check(answer, 415, "unknown_format")
    assert "accept-encoding" not in answer.headers


@both
async def test_what_a_body_expands_to_is_limited(client: httpx.AsyncClient, name: str) -> None:
    whole = json.dumps(BODY).encode()
    for size, status in ((LIMIT - 1, 200), (LIMIT, 200), (LIMIT + 1, 413), (500 * LIMIT, 413)):
        answer = await client.post("/jjt", **compressed(name, whole.ljust(size)))
        assert answer.status_code == status
        if status == 413:
            assert check(answer, 413, "body_too_large")["allowed_bytes"] == LIMIT
    answer = await client.post("/plan", **compressed(name, b"{}".ljust(70_000)))
    assert check(answer, 413, "body_too_large")["allowed_bytes"] == 64 << 10


@both
async def test_a_body_that_is_not_compressed_is_a_decode_error(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.post("/jjt", json=BODY, headers={"Content-Encoding": name})
    assert name in check(answer, 400, "decode_error")["detail"]


@pytest.mark.parametrize("accept", ["application/json", "application/x-npy", "application/x-npz"])
@both
async def test_an_answer_is_packed_as_it_is_accepted(
    client: httpx.AsyncClient, name: str, accept: str
) -> None:
    plain = await client.post("/jjt", json=MANY, headers={"Accept": accept, "Accept-Encoding": "identity"})
    asked = {"Accept": accept, "Accept-Encoding": f"{name}, identity;q=0.5"}
    async with client.stream("POST", "/jjt", json=MANY, headers=asked) as answer:
        content = b"".join([piece async for piece in answer.aiter_raw()])
    for each in (plain, answer):
        assert (each.status_code, each.headers["vary"]) == (200, "Accept, Accept-Encoding")
    assert "content-encoding" not in plain.headers
    assert answer.headers["content-encoding"] == name
    assert int(answer.headers["content-length"]) == len(content) < len(plain.content)
    expansion = Expansion(ENCODINGS[name], content, len(plain.content))
    assert expansion.go(len(plain.content))
    assert expansion.value() == plain.content


async def test_text_is_packed_and_what_is_small_or_like_noise_is_not(client: httpx.AsyncClient) -> None:
    offer = {"Accept-Encoding": "gzip, deflate"}
    many = await client.post("/jjt", json=MANY, headers=offer)
    assert many.headers["content-encoding"] == "gzip"
    assert len(many.json()["matrix"]) == 30
    assert "content-encoding" not in (await client.post("/jjt", json=BODY, headers=offer)).headers
    x1 = np.random.default_rng(0).random((120, 2))
    dense = {"Accept": "application/x-npy", "Content-Type": "application/x-npy", **offer}
    answer = await client.post("/jjt?function=treacherous", content=npy(x1), headers=dense)
    assert "content-encoding" not in answer.headers
    assert len(answer.content) == 128 + 120 * 120 * 4


async def test_errors_are_never_packed(client: httpx.AsyncClient) -> None:
    headers = {"Accept-Encoding": "gzip, identity;q=0"}
    answer = await client.post("/jjt", json={**BODY, "function": "nobody"}, headers=headers)
    check(answer, 404, "unknown_function")
    assert "content-encoding" not in answer.headers


async def test_where_no_coding_is_acceptable_the_body_is_not_read(client: httpx.AsyncClient) -> None:
    headers = {**JSON, "Accept-Encoding": "identity;q=0"}
    check(await client.post("/jjt", content=never(), headers=headers), 406, "not_acceptable")


async def test_clients_of_http_1_0_get_plain_answers(service: tuple[FastAPI, httpx.AsyncClient]) -> None:
    app, _ = service

    async def old(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "http_version": "1.0"}, receive, send)

    transport = httpx.ASGITransport(old)  # pyright: ignore[reportArgumentType] - an application, as any other
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post("/jjt", json=MANY, headers={"Accept-Encoding": "gzip, identity;q=0.1"})
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers


@both
async def test_bytes_are_reserved_before_they_are_held(name: str) -> None:
    data, reserved = bytes(3 << 20), []
    body = ENCODINGS[name].compress(data)
    assert await expand(ENCODINGS[name], body, 5 << 20, reserved.append) == data
    steps = (INLINE_BYTES, INLINE_BYTES * 4, INLINE_BYTES * 16, INLINE_BYTES * 64)
    assert reserved == [len(body) + each for each in steps]
    reserved.clear()
    with pytest.raises(BodyTooLarge):
        await expand(ENCODINGS[name], body, 2 << 20, reserved.append)
    assert reserved[-1] == len(body) + (2 << 20)


@both
async def test_what_there_is_no_room_for_is_not_expanded(name: str) -> None:
    def refuse(nbytes: int) -> None:
        reserved.append(nbytes)
        if nbytes > 1 << 20:
            raise QueueFull("full")

    reserved: list[int] = []
    with pytest.raises(QueueFull):
        await expand(ENCODINGS[name], ENCODINGS[name].compress(bytes(3 << 20)), 1 << 30, refuse)
    assert 1 << 20 < reserved[-1] < 2 << 20
