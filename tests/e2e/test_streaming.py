"""Answers that leave while they are computed: the same bytes, little memory, no end that only looks so."""

import contextlib
import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.wire import CODECS
from tests.e2e.server import Server, registry_of, serving, until

BINARY = [name for name, codec in CODECS.items() if codec.framed is not None]
STALL_SECONDS = 4.0
N = 440  # examples of wide: 310 MB
MIB = 1 << 20
SLOW = 24 << 10  # bytes at a time that a slow reader takes


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that streams whatever it can, in blocks of one example."""
    folder = tmp_path_factory.mktemp("tiled")
    registry = registry_of(folder, "two_waves", "treacherous", "slow_blocks")
    with serving(folder, registry, reload=False, stream_bytes=1, block_seconds=1e-6) as server:
        yield server


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with the usual budgets, and little patience."""
    folder = tmp_path_factory.mktemp("large")
    registry = registry_of(folder, "two_waves", "wide")
    with serving(folder, registry, reload=False, stall_seconds=STALL_SECONDS) as server:
        yield server


def body_of(function: str, x1: np.ndarray, x2: np.ndarray | None = None) -> dict:
    right = {} if x2 is None else {"x2": x2.tolist()}
    return {"function": function, "x1": x1.tolist(), **right}


def counted(server: Server, name: str) -> float:
    """A value of /metrics; 0 where it was never counted."""
    lines = httpx.get(f"{server.url}/metrics", timeout=10).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


def ended(server: Server, how: str) -> float:
    return counted(server, f'jjt_streams_total{{end="{how}"}}')


@pytest.mark.parametrize("media_type", BINARY)
@pytest.mark.parametrize("sides", [1, 2])
def test_a_streamed_answer_is_the_whole_one_to_the_byte(tiled: Server, media_type: str, sides: int) -> None:
    random = np.random.default_rng(0)
    x1, x2 = random.standard_normal((7, 3)), random.standard_normal((5, 3))
    body = body_of("two_waves", x1, x2 if sides == 2 else None)
    before = counted(tiled, "jjt_blocks_total")
    headers = {"Accept": media_type, "Accept-Encoding": "identity"}
    post = {"json": body, "headers": headers, "timeout": 60}
    streamed = httpx.post(f"{tiled.url}/jjt", **post)
    assert counted(tiled, "jjt_blocks_total") - before >= 7
    whole = httpx.post(f"{tiled.url}/jjt?verify=1", **post)  # a verified answer cannot be streamed
    assert (streamed.status_code, whole.status_code) == (200, 200)
    assert "jjt-non-finite" in whole.headers
    assert "jjt-non-finite" not in streamed.headers
    assert streamed.content == whole.content
    assert streamed.headers["content-length"] == str(len(whole.content))
    for name in ("jjt-function", "jjt-algorithm", "content-type"):
        assert streamed.headers[name] == whole.headers[name]


def test_a_symmetric_answer_is_symmetric_though_its_mirrored_blocks_are_computed_anew(tiled: Server) -> None:
    body = body_of("two_waves", np.random.default_rng(1).standard_normal((7, 3)))
    answer = httpx.post(f"{tiled.url}/jjt", json=body, headers={"Accept": "application/x-npy"}, timeout=60)
    matrix = np.load(io.BytesIO(answer.content))
    np.testing.assert_array_equal(matrix, matrix.transpose(2, 3, 0, 1))


def test_text_is_not_streamed(tiled: Server) -> None:
    answer = httpx.post(f"{tiled.url}/jjt", json=body_of("two_waves", np.ones((2, 3))), timeout=60)
    assert answer.json()["non_finite"] == int(answer.headers["jjt-non-finite"]) == 0


def treacherous(place: int) -> dict:
    """Twelve examples of which one raises."""
    x1 = np.full((12, 2), 0.5)
    x1[place] = 2e6
    return body_of("treacherous", x1, np.full((3, 2), 0.5))


def test_a_failure_in_the_first_rows_is_a_problem_like_any_other(tiled: Server) -> None:
    answer = httpx.post(
        f"{tiled.url}/jjt", json=treacherous(0), headers={"Accept": "application/x-npy"}, timeout=60
    )
    assert (answer.status_code, answer.json()["code"]) == (500, "compute_failed")


def test_a_failure_in_later_rows_breaks_the_connection(tiled: Server) -> None:
    before = ended(tiled, "failed")
    post = {"json": treacherous(11), "headers": {"Accept": "application/x-npy"}, "timeout": 60}
    with httpx.stream("POST", f"{tiled.url}/jjt", **post) as answer:
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) == 128 + 12 * 3 * 4
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            answer.read()
    until(lambda: ended(tiled, "failed") == before + 1)
    assert tiled.answers("/livez")
    lines = [json.loads(line) for line in tiled.log.splitlines() if line.startswith("{")]
    (broke,) = [line for line in lines if line["event"] == "an answer broke off"]
    assert broke["code"] == "compute_failed"
    assert broke["request_id"] == answer.headers["x-request-id"]


@contextlib.contextmanager
def opened(server: Server, function: str, x1: np.ndarray) -> Iterator[http.client.HTTPResponse]:
    """The head of an answer, on a connection that holds little by itself."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        connection.settimeout(60)
        connection.connect(("127.0.0.1", server.port))
        asking = http.client.HTTPConnection("127.0.0.1")
        asking.sock = connection
        headers = {"Content-Type": "application/json", "Accept": "application/x-npy"}
        asking.request("POST", "/jjt", json.dumps(body_of(function, x1)), headers)
        with asking.getresponse() as answer:
            assert answer.status == 200
            yield answer


def test_a_client_that_leaves_in_the_middle_stops_the_computation(tiled: Server) -> None:
    before, logged = ended(tiled, "left"), len(tiled.log)
    with opened(tiled, "slow_blocks", np.ones((24, 64))) as answer:
        answer.read(1000)
    until(lambda: ended(tiled, "left") == before + 1)
    time.sleep(0.5)
    done = counted(tiled, "jjt_blocks_total")
    time.sleep(1)
    assert counted(tiled, "jjt_blocks_total") == done
    assert "Traceback" not in tiled.log[logged:]


def memory_bytes(server: Server) -> int:
    """What the process holds in memory."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="utf-8")
    return next(1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


class SlowReader(threading.Thread):
    """Takes a megabyte a second for two seconds, then what there is; keeps all of it."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        super().__init__()
        self._answer = answer
        self.received = io.BytesIO()
        self.slow = True

    def run(self) -> None:
        for _ in range(100):
            self.received.write(self._answer.read(SLOW))
            time.sleep(0.02)
        self.slow = False
        while piece := self._answer.read(MIB):
            self.received.write(piece)


def test_a_slow_reader_costs_little_memory_and_the_others_nothing(large: Server) -> None:
    small = body_of("two_waves", np.ones((2, 3)))
    x1 = np.random.default_rng(2).standard_normal((N, 4))
    seconds: list[float] = []
    with httpx.Client(base_url=large.url, timeout=60) as other:
        for _ in range(20):
            other.post("/jjt", json=small)
        before = most_bytes = memory_bytes(large)
        with opened(large, "wide", x1) as answer:
            reader = SlowReader(answer)
            reader.start()
            while reader.is_alive():
                began = time.perf_counter()
                assert other.post("/jjt", json=small).status_code == 200
                if reader.slow:
                    seconds.append(time.perf_counter() - began)
                most_bytes = max(most_bytes, memory_bytes(large))
                time.sleep(0.01)
            reader.join()
        assert reader.received.tell() == int(answer.headers["Content-Length"]) > 300e6
    assert most_bytes - before < 150e6
    assert sorted(seconds)[len(seconds) * 9 // 10] < 0.1
    reader.received.seek(0)
    matrix = np.load(reader.received)
    for i in range(0, N, 40):
        np.testing.assert_array_equal(matrix[i], matrix[:, :, i].transpose(2, 0, 1))


def test_a_reader_that_stalls_is_cut(large: Server) -> None:
    before = ended(large, "stalled")
    with opened(large, "wide", np.ones((N, 4))) as answer:
        began = time.monotonic()
        until(lambda: ended(large, "stalled") == before + 1)
        assert time.monotonic() - began >= 0.9 * STALL_SECONDS
        done = counted(large, "jjt_blocks_total")
        time.sleep(0.5)
        assert counted(large, "jjt_blocks_total") == done
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            answer.read()
    assert large.answers("/readyz")
