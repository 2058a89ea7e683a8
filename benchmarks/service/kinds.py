"""What is asked of whom: servers, and kinds of requests for the same matrix."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import safetensors.numpy

from benchmarks.serving import ROOT

SERVERS = ROOT / "benchmarks" / "peers" / "servers"
JSON, TENSORS = "application/json", "application/vnd.safetensors"
X1, X2 = np.random.default_rng(0).random((2, 10_000), np.float32)
BOTH = {"x1": X1.tolist(), "x2": X2.tolist()}
ANGLES = [0.0, -0.8, 0.0, -2.4, 0.0, 1.6, 0.8]
Matrix = Callable[[httpx.Response], np.ndarray]


@dataclass(frozen=True)
class Contestant:
    """A server.

    Args:
        name: of it.
        environment: that it runs in; empty for ours.
        command: after the interpreter; ``{port}`` and ``{registry}`` are put in.
        ready: what answers 200 when it can be asked.
        variables: of its process; ``{folder}`` is put in, one that is deleted afterwards.
    """

    name: str
    environment: str
    command: tuple[str, ...]
    ready: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """A kind of requests.

    Args:
        name: in the table.
        server: that is asked.
        target: of the request.
        body: of it.
        matrix: out of the answer, where it holds one: what a peer computes is checked before it is timed.
        content_type: of the body.
        accept: of the answer; empty for whatever comes.
        each: requests that a matrix takes.
    """

    name: str
    server: str
    target: str
    body: bytes
    matrix: Matrix | None
    content_type: str = JSON
    accept: str = ""
    each: int = 1

    @property
    def headers(self) -> dict[str, str]:
        """Those of the request."""
        return {"Content-Type": self.content_type, **({"Accept": self.accept} if self.accept else {})}


def uvicorn(application: str) -> tuple[str, ...]:
    """One process, as fast as Uvicorn goes."""
    quiet = ("--no-access-log", "--log-level", "warning", "--loop", "uvloop", "--http", "httptools")
    return ("-m", "uvicorn", application, "--port", "{port}", *quiet)


CONTESTANTS = (
    Contestant("ours", "", ("-m", "app", "serve", "--port", "{port}", "--registry", "{registry}"), "/readyz"),
    Contestant("bare", "", uvicorn("benchmarks.peers.bare:app"), "/"),
    Contestant("obvious", "", uvicorn("benchmarks.peers.obvious:app"), "/openapi.json"),
    Contestant(
        "tesseract-core",
        "tesseract",
        ("-m", "tesseract_core.runtime", "serve", "--port", "{port}"),
        "/health",
        {"TESSERACT_API_PATH": str(SERVERS / "tesseract_api.py"), "TESSERACT_OUTPUT_PATH": "{folder}"},
    ),
    Contestant(
        "mosec",
        "mosec",
        (
            str(SERVERS / "mosec_server.py"),
            "--address",
            "127.0.0.1",
            "--port",
            "{port}",
            "--log-level",
            "error",
        ),
        "/",
    ),
)


def _lists(answer: httpx.Response) -> np.ndarray:
    return np.asarray(answer.json()["matrix"], np.float32)


def _tensor(answer: httpx.Response) -> np.ndarray:
    return safetensors.numpy.load(answer.content)["matrix"]


def _jacobian(answer: httpx.Response) -> np.ndarray:
    """The product of a Jacobian with itself: the same request is sent for both inputs, here for x1."""
    found = answer.json()["y"]["x"]
    jacobian = np.frombuffer(base64.b64decode(found["data"]["buffer"]), "<f4").reshape(found["shape"])
    return jacobian @ jacobian.T


def _document(fields: Any) -> bytes:
    return json.dumps(fields).encode()


def _asked_jacobian() -> bytes:
    data = {"buffer": base64.b64encode(X1.tobytes()).decode(), "encoding": "base64"}
    array = {"object_type": "array", "shape": [X1.size], "dtype": "float32", "data": data}
    return _document({"inputs": {"x": array}, "jac_inputs": ["x"], "jac_outputs": ["y"]})


TEXT = _document({"function": "sqrt_mean", **BOTH})
BINARY = safetensors.numpy.save({"x1": X1, "x2": X2})
KINDS = (
    Kind("obvious, JSON", "obvious", "/jjt", _document(BOTH), _lists),
    Kind("ours, JSON", "ours", "/jjt", TEXT, _lists),
    Kind("bare, JSON", "bare", "/jjt", TEXT, None),
    Kind("ours, safetensors", "ours", "/jjt?function=sqrt_mean", BINARY, _tensor, TENSORS, TENSORS),
    Kind("bare, safetensors", "bare", "/jjt?function=sqrt_mean", BINARY, None, TENSORS),
    Kind("mosec, JSON", "mosec", "/inference", _document(BOTH), _lists),
    Kind(
        "tesseract-core, two Jacobians in base64",
        "tesseract-core",
        "/jacobian",
        _asked_jacobian(),
        _jacobian,
        accept="application/json+base64",
        each=2,
    ),
)
LIMITS = {"ours, JSON": "bare, JSON", "ours, safetensors": "bare, safetensors"}
SMALL = _document({"function": "arm_pose", "x1": ANGLES})
QUICK = (Kind("ours", "ours", "/jjt", SMALL, _lists), Kind("bare", "bare", "/jjt", SMALL, None))


def exact(each: int) -> np.ndarray:
    """The matrix in float64; with itself where it takes two requests, of which one is checked."""
    mixture = np.random.RandomState(1701).rand(5, 10_000).astype(np.float32).astype(float)
    first, second = (
        mixture / (2 * x.size * np.sqrt(mixture @ x / x.size))[:, None]
        for x in (X1.astype(float), (X2 if each == 1 else X1).astype(float))
    )
    return first @ second.T
