"""POST /plan: a choice and its reasons, without arrays."""

import httpx
import pytest

from app.engine import ALGORITHMS
from tests.api.test_failures import check

pytestmark = pytest.mark.anyio

ASK = {"function": "two_waves", "n1": 3, "n2": 5}


async def test_a_plan_prices_every_algorithm_or_says_why_not(client: httpx.AsyncClient) -> None:
    answer = await client.post("/plan", json=ASK)
    assert answer.status_code == 200
    plan = answer.json()
    assert {key: plan[key] for key in ("function", "wrt", "n1", "n2", "k", "p")} == {
        "function": "two_waves", "wrt": "x", "n1": 3, "n2": 5, "k": 2, "p": 3,
    }  # fmt: skip
    assert [line["algorithm"] for line in plan["algorithms"]] == [each.name for each in ALGORITHMS]
    for line in plan["algorithms"]:
        assert set(line) in ({"algorithm", "seconds", "bytes", "flops", "explicit"}, {"algorithm", "refused"})
    seconds = {line["algorithm"]: line["seconds"] for line in plan["algorithms"] if "seconds" in line}
    assert seconds[plan["algorithm"]] <= min(seconds.values()) / 0.95
    assert plan["blocks"] >= 1
    assert len(plan["block"]) == 2
    assert plan["memory_bytes"] > 0
    assert plan["larger_budget"] is None


async def test_n2_left_out_means_x2_is_x1(client: httpx.AsyncClient) -> None:
    plan = (await client.post("/plan", json={"function": "two_waves", "n1": 7})).json()
    assert (plan["n1"], plan["n2"]) == (7, 7)


async def test_where_none_fits_the_choice_is_null_and_the_reasons_are_there(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/plan", json={**ASK, "memory_bytes": 1})
    assert answer.status_code == 200
    assert answer.json()["algorithm"] is None
    assert all("refused" in line for line in answer.json()["algorithms"])


async def test_the_plan_is_what_is_then_used(client: httpx.AsyncClient) -> None:
    planned = (await client.post("/plan", json={"function": "two_waves", "n1": 2})).json()["algorithm"]
    answer = await client.post("/jjt", json={"function": "two_waves", "x1": [[1, 2, 3], [4, 5, 6]]})
    assert answer.headers["jjt-algorithm"] == planned


@pytest.mark.parametrize(
    "body",
    [
        {}, [], {"n1": 1}, {"function": "two_waves"}, {**ASK, "n1": "3"}, {**ASK, "n1": 3.0},
        {**ASK, "n1": True}, {**ASK, "n1": 0}, {**ASK, "n2": -1}, {**ASK, "n1": 1 << 40},
        {**ASK, "memory_bytes": 0}, {**ASK, "x1": [1]},
        {**ASK, "precision": "low"}, {**ASK, "function": 3}, {**ASK, "wrt": 3},
    ],
)  # fmt: skip
async def test_wrong_fields_are_decode_errors(client: httpx.AsyncClient, body: object) -> None:
    check(await client.post("/plan", json=body), 400, "decode_error")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b'{"function": "two_waves", "n1": NaN}', b"[" * 30_000]
)
async def test_what_is_not_json_is_a_decode_error(client: httpx.AsyncClient, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    check(await client.post("/plan", content=content, headers=headers), 400, "decode_error")


async def test_other_failures_have_their_codes(client: httpx.AsyncClient) -> None:
    check(await client.post("/plan", content=b"{}"), 415, "unknown_format")
    npy = {"Content-Type": "application/x-npy"}
    check(await client.post("/plan", content=b"{}", headers=npy), 415, "unknown_format")
    check(await client.post("/plan", json={**ASK, "function": "nothing"}), 404, "unknown_function")
    check(await client.post("/plan", json={**ASK, "function": "two_waves@"}), 404, "unknown_version")
    check(await client.post("/plan", json={**ASK, "wrt": "params"}), 422, "spec_mismatch")
    check(await client.post("/plan", json={**ASK, "algorithm": "magic"}), 422, "not_applicable")
    check(await client.post("/plan", json={**ASK, "wrt": "x" * 70_000}), 413, "body_too_large")
