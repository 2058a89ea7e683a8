"""The seed's matrix in all pairs of request and answer formats: one matrix, to the bit."""

import base64
import io
from collections.abc import Callable

import httpx
import numpy as np
import pytest
import safetensors.numpy

from tests.e2e.server import Server
from tests.wire import bodies
from tests.wire.bodies import FORM, JSON, NPY, NPZ, SAFETENSORS, part

Inputs = tuple[np.ndarray, np.ndarray]
WITH_QUERY = "?function=sqrt_mean"


def form(x1: np.ndarray, x2: np.ndarray) -> bytes:
    files = (part(name, bodies.npy(x), f"{name}.npy") for name, x in (("x1", x1), ("x2", x2)))
    return bodies.form(part("function", "sqrt_mean"), *files)


def fortran(x1: np.ndarray, x2: np.ndarray) -> bytes:
    return bodies.npz(x1=x1.astype(">f4"), x2=np.asfortranarray(x2.astype(">f4")))


REQUESTS: dict[str, tuple[str, str, Callable[[np.ndarray, np.ndarray], bytes]]] = {
    "lists": (JSON, "", lambda x1, x2: bodies.document(function="sqrt_mean", x1=x1.tolist(), x2=x2.tolist())),
    "base64": (
        JSON,
        "",
        lambda x1, x2: bodies.document(
            function="sqrt_mean", x1=bodies.in_base64(x1), x2=bodies.in_base64(x2)
        ),
    ),
    "multipart": (FORM, "", form),
    "npz": (NPZ, WITH_QUERY, lambda x1, x2: bodies.npz(x1=x1, x2=x2)),
    "npz deflated": (NPZ, WITH_QUERY, lambda x1, x2: bodies.npz_deflated(x1=x1, x2=x2)),
    "npz big-endian": (NPZ, WITH_QUERY, fortran),
    "npz float64": (NPZ, WITH_QUERY, lambda x1, x2: bodies.npz(x1=x1.astype("f8"), x2=x2.astype("f8"))),
    "safetensors": (SAFETENSORS, WITH_QUERY, lambda x1, x2: safetensors.numpy.save({"x1": x1, "x2": x2})),
}


def from_lists(answer: httpx.Response) -> np.ndarray:
    return np.array(answer.json()["matrix"], answer.json()["dtype"])


def from_base64(answer: httpx.Response) -> np.ndarray:
    matrix = answer.json()["matrix"]
    return np.frombuffer(base64.b64decode(matrix["base64"]), matrix["dtype"]).reshape(matrix["shape"])


ANSWERS: dict[str, tuple[str, str, Callable[[httpx.Response], np.ndarray]]] = {
    "lists": (JSON, "", from_lists),
    "base64": (JSON, "arrays=base64", from_base64),
    "npy": (NPY, "", lambda answer: np.load(io.BytesIO(answer.content))),
    "npz": (NPZ, "", lambda answer: np.load(io.BytesIO(answer.content))["matrix"]),
    "safetensors": (SAFETENSORS, "", lambda answer: safetensors.numpy.load(answer.content)["matrix"]),
}


@pytest.fixture(scope="module")
def client(seed: Server):
    with httpx.Client(base_url=seed.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def inputs(client: httpx.Client) -> Inputs:
    example = client.get("/functions/sqrt_mean/example").json()
    return np.array(example["x1"], np.float32), np.array(example["x2"], np.float32)


def post(client: httpx.Client, body: bytes, kind: str, accept: str, *query: str) -> httpx.Response:
    url = "/jjt?" + "&".join(filter(None, (part.lstrip("?") for part in query)))
    answer = client.post(url, content=body, headers={"content-type": kind, "accept": accept})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == accept
    return answer


@pytest.mark.parametrize("answered", ANSWERS)
@pytest.mark.parametrize("asked", REQUESTS)
def test_every_pair_of_formats_gives_one_matrix(client, inputs: Inputs, asked: str, answered: str):
    kind, query, write = REQUESTS[asked]
    accept, arrays, read = ANSWERS[answered]
    matrix = read(post(client, write(*inputs), kind, accept, query, arrays))
    plain = from_lists(post(client, REQUESTS["lists"][2](*inputs), JSON, JSON))
    assert (matrix.dtype, matrix.shape) == (np.float32, (5, 5))
    assert matrix.tobytes() == plain.tobytes()


@pytest.mark.parametrize("answered", ANSWERS)
def test_x1_alone_gives_a_symmetric_matrix(client, inputs: Inputs, answered: str):
    accept, arrays, read = ANSWERS[answered]
    matrix = read(post(client, bodies.npy(inputs[0]), NPY, accept, WITH_QUERY, arrays))
    assert (matrix == matrix.T).all()
    other = read(post(client, bodies.npz(x1=inputs[0]), NPZ, accept, WITH_QUERY, arrays))
    assert matrix.tobytes() == other.tobytes()


@pytest.mark.parametrize("answered", ANSWERS)
def test_what_is_not_finite_comes_through(client, inputs: Inputs, answered: str):
    accept, arrays, read = ANSWERS[answered]
    x1 = inputs[0].copy()
    x1[3] = np.nan
    answer = post(client, bodies.npz(x1=x1, x2=inputs[1]), NPZ, accept, WITH_QUERY, arrays)
    assert answer.headers["jjt-non-finite"] == "25"
    assert np.isnan(read(answer).astype(float)).all()
