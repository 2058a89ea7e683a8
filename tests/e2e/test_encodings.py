"""Compressed bodies and answers over a real socket, with real clients; bombs leave the process small."""

import gzip
import io
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.wire import ENCODINGS
from jjt_client import key_headers
from tests.conftest import ROOT
from tests.e2e.server import Server, registry_of, serving
from tests.e2e.test_hostile import refused, resident_bytes
from tests.e2e.test_streaming import BINARY, body_of, treacherous
from tests.wire import bodies
from tests.wire.bodies import JSON, NPY, SAFETENSORS
from tests.wire.test_expansion import BROKEN, MIB, frame, run_of

LONG = np.full((26, 10_000), 0.5, np.float32)
LIMIT_BYTES = LONG.nbytes + 500
both = pytest.mark.parametrize("name", ENCODINGS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that takes about a megabyte."""
    folder = tmp_path_factory.mktemp("encodings")
    registry = registry_of(folder, "two_waves")
    shutil.copy(ROOT / "registry" / "sqrt_mean.py", registry)
    with serving(folder, registry, reload=False, max_body_bytes=LIMIT_BYTES) as server:
        yield server


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that streams whatever it can, in blocks of one example."""
    folder = tmp_path_factory.mktemp("streaming")
    registry = registry_of(folder, "two_waves", "treacherous", "wide")
    with serving(folder, registry, reload=False, stream_bytes=1, block_seconds=1e-6) as server:
        yield server


def post(server: Server, kind: str, coding: str, content: bytes, query: str = "") -> httpx.Response:
    headers = {"Content-Type": kind, "Content-Encoding": coding}
    return httpx.post(f"{server.url}/jjt{query}", content=content, headers=headers, timeout=30)


def text_of(size: int) -> bytes:
    """A question in JSON of so many bytes."""
    return bodies.document(function="two_waves", x1=[0.5, 0.25, 0.125]).ljust(size)


def npy_of(size: int) -> bytes:
    """One in an ``.npy`` file, by a header as long as it takes."""
    header = bodies.npy(LONG)[10 : -LONG.nbytes].rstrip()
    return bodies.npy_raw(header.ljust(size - 10 - LONG.nbytes - 1) + b"\n", LONG.tobytes())


def tensors_of(size: int) -> bytes:
    """One in safetensors, by a header as long as it takes."""
    header = bodies.safetensors(x1=LONG)[8 : -LONG.nbytes]
    return bodies.safetensors_raw(header.ljust(size - 8 - LONG.nbytes), LONG.tobytes())


@both
@pytest.mark.parametrize(("kind", "make"), [(JSON, text_of), (NPY, npy_of), (SAFETENSORS, tensors_of)])
def test_the_limit_of_what_a_body_expands_to_holds_to_the_byte(
    server: Server, name: str, kind: str, make: Callable[[int], bytes]
) -> None:
    query = "" if kind == JSON else "?function=sqrt_mean"
    for size in (LIMIT_BYTES - 1, LIMIT_BYTES, LIMIT_BYTES + 1):
        whole = make(size)
        body = ENCODINGS[name].compress(whole)
        assert len(body) < LIMIT_BYTES / 10 < len(whole) == size
        answer = post(server, kind, name, body, query)
        if size <= LIMIT_BYTES:
            assert answer.status_code == 200, answer.text
        else:
            refused(answer, 413, "body_too_large")
            assert answer.json()["allowed_bytes"] == LIMIT_BYTES


@both
def test_the_limit_holds_for_what_is_sent_too(server: Server, name: str) -> None:
    noise = np.random.default_rng(0).bytes(LIMIT_BYTES + 1)
    refused(post(server, JSON, name, ENCODINGS[name].compress(noise)), 413, "body_too_large")


def test_bombs_are_refused_and_leave_the_process_small_and_awake(server: Server) -> None:
    bombs = [("gzip", gzip.compress(bytes(128 * MIB), 1))]
    bombs.append(("zstd", frame(23, *(run_of(0, 128 << 10, last=False) for _ in range(60_000)))))
    assert all(len(body) < LIMIT_BYTES for _, body in bombs)
    assert server.answers("/livez")
    before, peak, stop = resident_bytes(server), [0], threading.Event()

    def look() -> None:
        while not stop.wait(0.005):
            peak[0] = max(peak[0], resident_bytes(server))

    watching = threading.Thread(target=look)
    watching.start()
    for name, body in bombs * 5:
        refused(post(server, JSON, name, body), 413, "body_too_large")
    stop.set()
    watching.join()
    assert peak[0] - before < 24 * LIMIT_BYTES
    assert server.answers("/livez")


def test_what_is_broken_is_refused_with_the_reason(server: Server) -> None:
    for encoding, body, _ in (BROKEN[key] for key in BROKEN if "cut at" not in key):
        answer = post(server, JSON, encoding.name, body)
        refused(answer, 400, "decode_error")
        assert encoding.name in answer.json()["detail"]
    assert server.answers("/livez")


@pytest.mark.parametrize("stacked", ["gzip, gzip", "gzip, zstd", "zstd,zstd", "br", "deflate"])
def test_stacked_and_unknown_codings_are_refused(server: Server, stacked: str) -> None:
    answer = post(server, JSON, stacked, gzip.compress(gzip.compress(text_of(200))))
    refused(answer, 415, "unknown_format")
    assert answer.headers["accept-encoding"] == "zstd, gzip"


@both
@pytest.mark.parametrize("media_type", BINARY)
def test_a_streamed_answer_is_the_same_when_it_is_compressed(
    streaming: Server, name: str, media_type: str
) -> None:
    body = body_of("wide", np.random.default_rng(0).standard_normal((20, 4)))
    headers = {"Accept": media_type, "Accept-Encoding": "identity"}
    with httpx.Client(base_url=streaming.url, timeout=60) as client:
        plain = client.post("/jjt", json=body, headers=headers)
        asked = {"Accept": media_type, "Accept-Encoding": f"{name}, identity;q=0.5"}
        answer = client.post("/jjt", json=body, headers=asked)
        assert (plain.status_code, answer.status_code) == (200, 200)
        assert plain.headers["content-length"] == str(len(plain.content))
        assert answer.headers["content-encoding"] == name
        assert answer.headers["transfer-encoding"] == "chunked"
        assert "content-length" not in answer.headers
        assert answer.content == plain.content
        offered = client.post("/jjt", json=body, headers={**headers, "Accept-Encoding": name})
        assert "content-encoding" not in offered.headers  # its digits are noise


@both
def test_a_compressed_answer_that_breaks_off_never_looks_whole(streaming: Server, name: str) -> None:
    asked = {"Accept": NPY, "Accept-Encoding": f"{name}, identity;q=0.5"}
    post = {"json": treacherous(11), "headers": asked, "timeout": 60}
    with httpx.stream("POST", f"{streaming.url}/jjt", **post) as answer:
        assert answer.headers["content-encoding"] == name
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            answer.read()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_sends_and_reads_it(server: Server, tmp_path: Path) -> None:
    x1 = np.zeros((300, 3), np.float32)
    plain = bodies.document(function="two_waves", x1=x1.tolist())
    packed = tmp_path / "body.gz"
    packed.write_bytes(gzip.compress(plain))
    command = ["curl", "-s", "-v", "--compressed", f"{server.url}/jjt", "--data-binary", f"@{packed}"]
    headers = {"Content-Type": JSON, "Content-Encoding": "gzip", "Accept": NPY} | key_headers()
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    done = subprocess.run(command, capture_output=True, check=True)
    matrix = np.load(io.BytesIO(done.stdout))
    assert matrix.shape == (300, 2, 300, 2)
    assert np.array_equal(matrix[:, 0, :, 0], np.full((300, 300), 2))
    assert b"content-encoding: " in done.stderr.lower()
