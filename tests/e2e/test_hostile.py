"""Every bad input over a real socket: a 4xx problem that helps, a process that lives and stays small."""

import asyncio
import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.conftest import ROOT
from tests.e2e.server import Server, registry_of, serving
from tests.wire import bodies
from tests.wire.bodies import FORM, JSON, NPY, NPZ, SAFETENSORS, part
from tests.wire.test_bad_bodies import TABLE

LIMIT_BYTES = 1 << 20
LONG = np.zeros(10_000, np.float32)
GOOD = bodies.npy(LONG)


def ask(name: object = "sqrt_mean", **options: object) -> bytes:
    return json.dumps({"function": name, "x1": [0.5] * 10_000, **options}).encode()


NAMES = [
    ("../../etc/passwd", 404, "unknown_function"),
    ("%2e%2e%2f", 404, "unknown_function"),
    ("a/b", 404, "unknown_function"),
    ("sqrt_mean\x00", 404, "unknown_function"),
    ("sqrt_mean\r\nX-Evil: 1", 404, "unknown_function"),
    ("x" * 10_000, 404, "unknown_function"),
    ("ѕqrt_mean", 404, "unknown_function"),  # a look-alike: the first letter is Cyrillic
    ("__class__", 404, "unknown_function"),
    (" ", 400, "decode_error"),
    ("", 400, "decode_error"),
    ("@", 404, "unknown_function"),
    ("sqrt_mean@", 404, "unknown_version"),
    ("sqrt_mean@latest", 404, "unknown_version"),
    ("sqrt_mean@0000000000", 404, "unknown_version"),
    (7, 400, "decode_error"),
    (None, 400, "decode_error"),
]
OPTIONS = [
    ({"wrt": "params.__class__"}, 422, "spec_mismatch"),
    ({"wrt": "x.0.1"}, 422, "spec_mismatch"),
    ({"wrt": "y"}, 422, "spec_mismatch"),
    ({"wrt": "params..a"}, 422, "spec_mismatch"),
    ({"wrt": "x,"}, 422, "spec_mismatch"),
    ({"wrt": ""}, 400, "decode_error"),
    ({"wrt": 0}, 400, "decode_error"),
    ({"wrt": None}, 400, "decode_error"),
    ({"algorithm": "magic"}, 422, "not_applicable"),
    ({"algorithm": ""}, 400, "decode_error"),
    ({"algorithm": 1}, 400, "decode_error"),
    ({"precision": "exact"}, 400, "decode_error"),
    ({"precision": True}, 400, "decode_error"),
    ({"deadline_seconds": 0}, 400, "decode_error"),
    ({"deadline_seconds": -1}, 400, "decode_error"),
    ({"deadline_seconds": 86_401}, 400, "decode_error"),
    ({"deadline_seconds": "soon"}, 400, "decode_error"),
    ({"deadline_seconds": True}, 400, "decode_error"),
    ({"arrays": "tuples"}, 400, "decode_error"),
    ({"colour": "red"}, 400, "decode_error"),
    ({"x2": []}, 422, "spec_mismatch"),
    ({"x2": [0.5]}, 422, "spec_mismatch"),
    ({"x2": [[0.5] * 9_999]}, 422, "spec_mismatch"),
    ({"x2": [[[0.5] * 10_000]]}, 422, "spec_mismatch"),
    ({"x2": 1}, 422, "spec_mismatch"),
    ({"x2": {"a": 1}}, 422, "spec_mismatch"),
    ({"x2": [1e39] * 10_000}, 422, "spec_mismatch"),
    ({"x2.a": [1]}, 422, "spec_mismatch"),
]
QUERIES = [
    ("function=sqrt_mean&function=sqrt_mean", 400, "decode_error"),
    ("function=sqrt_mean&wrt=x&wrt=x", 400, "decode_error"),
    ("function=sqrt_mean&wrt=", 400, "decode_error"),
    ("function=sqrt_mean&deadline_seconds=nan", 400, "decode_error"),
    ("function=sqrt_mean&deadline_seconds=1e400", 400, "decode_error"),
    ("function=sqrt_mean&deadline_seconds=-1", 400, "decode_error"),
    ("function=sqrt_mean&verbose=1", 400, "decode_error"),
    ("function=sqrt_mean&x1=1", 400, "decode_error"),
    ("function=", 400, "decode_error"),
    ("", 400, "decode_error"),
    ("function=%00", 404, "unknown_function"),
    ("function=%ff%fe", 404, "unknown_function"),
]
TYPES = [
    ("application/python-pickle", 415, "unknown_format"),
    ("application/octet-stream", 415, "unknown_format"),
    ("text/plain", 415, "unknown_format"),
    ("application/json; charset=latin-1", 415, "unknown_format"),
    ("application/json, application/x-npy", 415, "unknown_format"),
    ("application", 415, "unknown_format"),
    ("", 415, "unknown_format"),
    ("ÿ", 415, "unknown_format"),
    ("multipart/mixed; boundary=edge", 415, "unknown_format"),
]
ACCEPTS = ["text/html", "application/json;q=0", "image/*", "*/*;q=0", "application/json;q=NaN", "a"]
ACCEPTS.append(", ".join(["text/html"] * 2_000))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    registry = registry_of(folder)
    shutil.copy(ROOT / "registry" / "sqrt_mean.py", registry)
    with serving(folder, registry, reload=False, max_body_bytes=LIMIT_BYTES) as server:
        yield server


def resident_bytes(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    body = answer.json()
    assert (body["status"], body["code"]) == (status, code)
    assert 15 < len(body["detail"]) < 2000
    assert body["request_id"] == answer.headers["x-request-id"]


def rows() -> list[tuple[str, str, bytes, int, str]]:
    """Query, Content-Type, body, and the status and code that are expected."""
    table = [("", kind, body, 400, "decode_error") for kind, body, _ in TABLE]
    table += [("", JSON, ask(name), status, code) for name, status, code in NAMES]
    table += [("", JSON, ask(**options), status, code) for options, status, code in OPTIONS]
    table += [(query, NPY, GOOD, status, code) for query, status, code in QUERIES]
    table += [("", kind, GOOD, status, code) for kind, status, code in TYPES]
    small = [bodies.npy(LONG[:7]), bodies.npy(np.zeros((0, 10_000))), bodies.npy(np.full(10_000, 1e39))]
    table += [("function=sqrt_mean", NPY, body, 422, "spec_mismatch") for body in small]
    table.append(("function=sqrt_mean", NPZ, bodies.npz(x1=LONG, x2=LONG[None, None]), 422, "spec_mismatch"))
    form = bodies.form(part("function", "nobody"), part("x1", GOOD, "a.npy"))
    table.append(("", FORM, form, 404, "unknown_function"))
    table.append(("", SAFETENSORS, bytes(LIMIT_BYTES + 1), 413, "body_too_large"))
    return table


def test_every_bad_body_name_option_and_type_is_refused_and_memory_comes_back(server: Server, capsys):
    with httpx.Client(base_url=server.url, timeout=30) as client:
        client.post("/jjt", content=ask(), headers={"content-type": JSON})
        before, peak, table = resident_bytes(server), 0, rows()
        for query, kind, body, status, code in table:
            headers = [(b"content-type", kind.encode("latin-1"))] if kind else []
            answer = client.post(f"/jjt?{query}", content=body, headers=headers)
            # What expands past the limit before it is found to be broken is too large first.
            larger = code == "decode_error" and answer.status_code == 413
            refused(answer, *((413, "body_too_large") if larger else (status, code)))
            peak = max(peak, resident_bytes(server))
        assert client.get("/livez").json() == {"live": True}
    grown = (peak - before) / LIMIT_BYTES
    with capsys.disabled():
        print(f"\n{len(table)} bad inputs: memory grew by at most {grown:.1f} times the body limit")
    assert len(table) >= 90
    assert grown < 32


@pytest.mark.parametrize("accept", ACCEPTS)
def test_an_answer_that_nobody_writes_is_406_before_the_body_is_read(server: Server, accept: str):
    answer = httpx.post(f"{server.url}/jjt", content=b"{", headers={"accept": accept, "content-type": JSON})
    refused(answer, 406, "not_acceptable")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/functions/..%2f..%2fetc%2fpasswd", 404, "not_found"),
        ("/functions/%00", 404, "unknown_function"),
        ("/functions/" + "x" * 5_000, 404, "unknown_function"),
        ("/functions/sqrt_mean@latest", 404, "unknown_version"),
        ("/functions/sqrt_mean/example?n1=0", 400, "decode_error"),
        ("/functions/sqrt_mean/example?n1=1e3", 400, "decode_error"),
        ("/functions/sqrt_mean/example?n1=1000000", 422, "answer_too_large"),
        ("/functions/sqrt_mean/example?seed=-1", 400, "decode_error"),
        ("/functions/sqrt_mean/example?colour=red", 400, "decode_error"),
        ("/nothing", 404, "not_found"),
        ("/jjt/", 404, "not_found"),
    ],
)
def test_a_path_that_is_not_there_is_a_problem_too(server: Server, path: str, status: int, code: str):
    refused(httpx.get(server.url + path), status, code)


@pytest.mark.parametrize(
    "plan",
    [
        {},
        {"function": "sqrt_mean"},
        {"function": "sqrt_mean", "n1": 0},
        {"function": "sqrt_mean", "n1": -1},
        {"function": "sqrt_mean", "n1": 1.5},
        {"function": "sqrt_mean", "n1": "1"},
        {"function": "sqrt_mean", "n1": True},
        {"function": "sqrt_mean", "n1": None},
        {"function": "sqrt_mean", "n1": 10**30},
        {"function": "sqrt_mean", "n1": 1, "n2": 0},
        {"function": "sqrt_mean", "n1": 1, "memory_bytes": 0},
        {"function": "sqrt_mean", "n1": 1, "colour": "red"},
        {"function": ["sqrt_mean"], "n1": 1},
        [],
        "sqrt_mean",
    ],
)
def test_a_plan_of_nonsense_is_refused(server: Server, plan: object):
    refused(httpx.post(f"{server.url}/plan", json=plan), 400, "decode_error")


def exchange(server: Server, sent: bytes, seconds: float = 5) -> bytes:
    """All that comes back for some bytes on a socket of their own."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection:
        connection.sendall(sent)
        received = b""
        try:
            while piece := connection.recv(1 << 16):
                received += piece
        except (TimeoutError, ConnectionError):
            pass
        return received


HEAD = b"POST /jjt HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 1" + b"0" * 30 + b"\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        HEAD + b"Content-Length: x\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 0\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"TRACE /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /jjt HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nX-Long: " + b"a" * 100_000 + b"\r\n\r\n{}",
    ],
)
def test_a_request_that_is_no_request_is_4xx_or_hung_up_on(server: Server, sent: bytes):
    received = exchange(server, sent)
    assert received == b"" or received.startswith(b"HTTP/1.1 4"), received[:200]
    assert server.answers("/livez")


def test_a_thousand_requests_in_one_write_are_all_answered(server: Server):
    count = 1000
    one, last = b"GET /livez HTTP/1.1\r\nHost: x\r\n", b"Connection: close\r\n"
    received = exchange(server, (one + b"\r\n") * (count - 1) + one + last + b"\r\n", 30)
    assert received.count(b"HTTP/1.1 200") == count


def test_a_chunked_body_without_a_length_stops_at_the_limit(server: Server):
    async def pieces():
        for _ in range(64):
            yield bytes(1 << 16)

    async def post() -> httpx.Response:
        async with httpx.AsyncClient() as client:
            url, headers = f"{server.url}/jjt?function=sqrt_mean", {"content-type": NPY}
            return await client.post(url, content=pieces(), headers=headers)

    refused(asyncio.run(post()), 413, "body_too_large")
