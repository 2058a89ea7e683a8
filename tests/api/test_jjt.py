"""POST /jjt: arrays in, matrix out, with its headers, in the formats of the table."""

import io
import re

import httpx
import numpy as np
import pytest

from app.wire import CODECS

pytestmark = pytest.mark.anyio

X1, X2 = [0.3, 1.0, 2.0], [[0.1, 5.0, -1.0], [2.0, 0.0, 0.5]]
BODY = {"function": "two_waves", "x1": X1, "x2": X2}
STAGES = ("decode", "queue", "compile", "compute", "encode")


def jacobian(x: list[float]) -> np.ndarray:
    return np.array([[np.cos(x[0]), 1, 0], [0, 0, 2 * x[2]]])


EXACT = np.stack([jacobian(X1) @ jacobian(x2).T for x2 in X2], axis=1)  # [k, n2, k]


def npy(array: object, dtype: str = "float32") -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array, dtype))
    return buffer.getvalue()


async def test_json_is_answered_in_json(client: httpx.AsyncClient) -> None:
    answer = await client.post("/jjt", json=BODY)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    np.testing.assert_allclose(found["matrix"], EXACT, rtol=1e-6)
    assert found["shape"] == [2, 2, 2]
    assert (found["function"], found["wrt"], found["dtype"]) == ("two_waves", "x", "float32")
    assert found["non_finite"] == 0


async def test_npy_parts_are_answered_in_npy(client: httpx.AsyncClient) -> None:
    files = {"x1": ("x1.npy", npy(X1)), "x2": ("x2.npy", npy(X2))}
    answer = await client.post("/jjt", data={"function": "two_waves"}, files=files)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-npy"
    np.testing.assert_allclose(np.load(io.BytesIO(answer.content)), EXACT, rtol=1e-6)


@pytest.mark.parametrize("media_type", [name for name, codec in CODECS.items() if codec.writes])
async def test_the_answer_has_the_format_that_is_accepted(client: httpx.AsyncClient, media_type: str) -> None:
    answer = await client.post("/jjt", json=BODY, headers={"Accept": media_type})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type


async def test_headers_say_what_was_done(client: httpx.AsyncClient) -> None:
    answer = await client.post("/jjt", json=BODY)
    assert answer.headers["jjt-function"] == f"two_waves@{answer.json()['version']}"
    assert answer.headers["jjt-algorithm"] == answer.json()["algorithm"] != "auto"
    assert answer.headers["jjt-non-finite"] == "0"
    stages = re.findall(r"(\w+);dur=(\d+\.\d+)", answer.headers["server-timing"])
    assert tuple(name for name, _ in stages) == STAGES
    assert answer.headers["server-timing"].count(",") == len(STAGES) - 1


async def test_compiling_is_not_part_of_computing(client: httpx.AsyncClient) -> None:
    body = {**BODY, "x1": [X1] * 5, "precision": "high"}  # sizes that no other test asks for
    times = []
    for _ in range(2):
        answer = await client.post("/jjt", json=body)
        timing = answer.headers["server-timing"]
        times.append({name: float(ms) for name, ms in re.findall(r"(\w+);dur=(\d+\.\d+)", timing)})
    assert times[0]["compile"] > 0
    assert times[1]["compile"] == 0
    assert times[0]["compute"] < times[0]["compile"]


async def test_non_finite_entries_are_null_and_counted(client: httpx.AsyncClient) -> None:
    body = {"function": "two_waves", "x1": {"dtype": "float32", "shape": [3], "base64": "AADAfwAAAAAAAAAA"}}
    answer = await client.post("/jjt", json=body)
    nulls = str(answer.json()["matrix"]).count("None")
    assert nulls > 0
    assert answer.json()["non_finite"] == nulls
    assert answer.headers["jjt-non-finite"] == str(nulls)
    binary = await client.post("/jjt", json=body, headers={"Accept": "application/x-npy"})
    assert binary.headers["jjt-non-finite"] == str(nulls)
    assert np.count_nonzero(~np.isfinite(np.load(io.BytesIO(binary.content)))) == nulls


async def test_x2_left_out_is_symmetric_to_the_bit(client: httpx.AsyncClient) -> None:
    x1 = np.random.default_rng(0).standard_normal((23, 3)).tolist()
    body = {"function": "two_waves", "x1": x1}
    answer = await client.post("/jjt", json=body, headers={"Accept": "application/x-npy"})
    matrix = np.load(io.BytesIO(answer.content))
    assert matrix.shape == (23, 2, 23, 2)
    np.testing.assert_array_equal(matrix, matrix.transpose(2, 3, 0, 1))


async def test_options_stand_in_the_query_too_but_once(client: httpx.AsyncClient) -> None:
    arrays = {"x1": X1, "x2": X2}
    answer = await client.post("/jjt?function=two_waves&algorithm=forward", json=arrays)
    assert answer.headers["jjt-algorithm"] == "forward"
    twice = await client.post("/jjt?function=two_waves", json=BODY)
    assert (twice.status_code, twice.json()["code"]) == (400, "decode_error")


async def test_a_version_can_be_pinned(client: httpx.AsyncClient) -> None:
    version = (await client.post("/jjt", json=BODY)).json()["version"]
    pinned = await client.post("/jjt", json={**BODY, "function": f"two_waves@{version}"})
    assert pinned.status_code == 200
    other = await client.post("/jjt", json={**BODY, "function": "two_waves@latest"})
    assert (other.status_code, other.json()["code"]) == (404, "unknown_version")


async def test_the_matrix_is_answered_whole_where_it_takes_many_kilobytes(client: httpx.AsyncClient) -> None:
    x1 = np.random.default_rng(1).standard_normal((150, 3)).round(3)
    body = {"function": "two_waves", "x1": x1.tolist()}
    answer = await client.post("/jjt", json=body, headers={"Accept": "application/x-npy"})
    left = np.stack([jacobian(x) for x in x1.astype(np.float32)])
    expected = np.einsum("iaq,jbq->iajb", left, left)
    np.testing.assert_allclose(np.load(io.BytesIO(answer.content)), expected, rtol=1e-4, atol=1e-5)
