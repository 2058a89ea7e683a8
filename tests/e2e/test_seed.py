"""The original question, over a socket: its inputs, its matrix, in JSON and in npy."""

import io
import re

import httpx
import numpy as np
import pytest

from tests.e2e.server import Server

FIRST_ROW = [3.3123782e-05, 2.5001222e-05, 2.4946943e-05, 2.5180108e-05, 2.4940484e-05]


@pytest.fixture(scope="module")
def example(seed: Server) -> httpx.Response:
    return httpx.get(f"{seed.url}/functions/sqrt_mean/example", timeout=60)


def exact(example: httpx.Response) -> np.ndarray:
    """K in float64: f_a = sqrt(M_a · x / N), so J = M / (2 N f)."""
    np.random.seed(1701)  # noqa: NPY002 - as the original question drew them
    mixture = np.random.rand(5, 10_000).astype(np.float32).astype(np.float64)  # noqa: NPY002
    jacobians = []
    for name in ("x1", "x2"):
        x = np.asarray(example.json()[name], np.float32).astype(np.float64)
        y = np.sqrt(mixture @ x / x.size)
        jacobians.append(mixture / (2 * x.size * y[:, None]))
    return jacobians[0] @ jacobians[1].T


def test_the_example_piped_back_is_the_seeds_matrix_in_json(seed: Server, example: httpx.Response) -> None:
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{seed.url}/jjt", content=example.content, headers=headers, timeout=60)
    assert answer.status_code == 200
    matrix = np.array(answer.json()["matrix"])
    np.testing.assert_allclose(matrix[0], FIRST_ROW, rtol=2e-6)
    np.testing.assert_allclose(matrix, exact(example), rtol=2e-6)
    assert matrix.shape == (5, 5)


def test_the_example_as_npy_parts_is_the_seeds_matrix_in_npy(seed: Server, example: httpx.Response) -> None:
    files = {}
    for name in ("x1", "x2"):
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(example.json()[name], np.float32))
        files[name] = (f"{name}.npy", buffer.getvalue())
    answer = httpx.post(f"{seed.url}/jjt", data={"function": "sqrt_mean"}, files=files, timeout=60)
    assert answer.headers["content-type"] == "application/x-npy"
    matrix = np.load(io.BytesIO(answer.content))
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix[0], FIRST_ROW, rtol=2e-6)


def test_the_line_that_is_printed_when_ready_is_the_one_to_paste(seed: Server) -> None:
    here = f"localhost:{seed.port}"
    assert f"curl -s {here}/functions/sqrt_mean/example | curl -s {here}/jjt --json @-" in seed.log
    assert re.search(r"^ *sqrt_mean +\S", seed.log, re.MULTILINE)
