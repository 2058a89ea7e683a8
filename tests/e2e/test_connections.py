"""Clients that are slow, silent, many or half gone: each is left in time, and the others never notice."""

import contextlib
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.api.test_jjt import BODY
from tests.e2e.server import Server, registry_of, serving
from tests.e2e.test_hostile import refused, resident_bytes
from tests.e2e.test_socket import blocks_done
from tests.wire import bodies
from tests.wire.bodies import FORM, JSON, NPY, NPZ, SAFETENSORS

LIMIT_BYTES, STALL_SECONDS, HEAD_SECONDS = 8 << 20, 1.5, 1.0
HEAD = b"POST /jjt HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("connections")
    limits = {"max_body_bytes": LIMIT_BYTES, "stall_seconds": STALL_SECONDS, "head_seconds": HEAD_SECONDS}
    with serving(folder, registry_of(folder, "two_waves", "slow_blocks"), reload=False, **limits) as server:
        yield server


@pytest.fixture(autouse=True)
def others(server: Server) -> Iterator[None]:
    """Somebody else, who is answered all the while."""
    done, asked, slowest = threading.Event(), threading.Event(), [0.0]

    def ask() -> None:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            while not done.is_set():
                began = time.monotonic()
                assert client.get("/livez").status_code == 200
                slowest.append(time.monotonic() - began)
                asked.set()
                done.wait(0.02)

    thread = threading.Thread(target=ask)
    thread.start()
    assert asked.wait(10)
    yield
    done.set()
    thread.join()
    assert max(slowest) < 2
    assert httpx.post(f"{server.url}/jjt", json=BODY, timeout=60).status_code == 200
    assert "Traceback" not in server.log


def connect(server: Server, *sent: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    for piece in sent:
        client.sendall(piece)
    return client


def answer_of(client: socket.socket) -> httpx.Response:
    """The one answer that a client gets before the other side ends."""
    received = b""
    with client:
        while piece := client.recv(1 << 20):
            received += piece
    head, _, content = received.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    return httpx.Response(int(status.split()[1]), headers=headers, content=content)


def timed_out(server: Server, sent: bytes, seconds: float) -> None:
    """What was sent is answered with 408 after so many seconds, no sooner and not much later."""
    began = time.monotonic()
    answer = answer_of(connect(server, sent))
    assert seconds <= time.monotonic() - began + 0.05 < seconds + 1
    refused(answer, 408, "request_timeout")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("sent", [b"", b"POST /jj", HEAD, b"\r\n"])
def test_a_head_that_does_not_end_is_408(server: Server, sent: bytes) -> None:
    timed_out(server, sent, HEAD_SECONDS)


@pytest.mark.parametrize("sent", [HEAD, CHUNKED, HEAD + b"Content-Length: 99999\r\n\r\n"])
def test_a_byte_now_and_then_holds_nothing_for_ever(server: Server, sent: bytes) -> None:
    client, began = connect(server, sent), time.monotonic()
    with contextlib.suppress(ConnectionError):
        for letter in b"x-long: aaaaaaaaaaaaaaaaaaaaaaaaaaaa":
            client.sendall(b"1\r\n%c\r\n" % letter if sent == CHUNKED else b"%c" % letter)
            if time.monotonic() - began > 2 * STALL_SECONDS:
                break
            time.sleep(0.2)
    refused(answer_of(client), 408, "request_timeout")


@pytest.mark.parametrize("sent", [CHUNKED, CHUNKED + b"1\r\n{\r\n", HEAD + b"Content-Length: 9\r\n\r\n{"])
def test_a_body_that_stops_is_408(server: Server, sent: bytes) -> None:
    timed_out(server, sent, STALL_SECONDS)


def test_a_body_may_take_its_time_if_it_comes_steadily(server: Server) -> None:
    body = httpx.Request("POST", "/", json=BODY).content.ljust(60_000)
    client, began = (
        connect(server, HEAD + b"Connection: close\r\nContent-Length: 60000\r\n\r\n"),
        time.monotonic(),
    )
    for start in range(0, 60_000, 2_000):
        client.sendall(body[start : start + 2_000])
        time.sleep(0.1)
    assert time.monotonic() - began > STALL_SECONDS + HEAD_SECONDS
    assert answer_of(client).status_code == 200


@pytest.mark.parametrize("kind", [JSON, NPY, NPZ, SAFETENSORS, FORM.partition(";")[0] + "; boundary=b"])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_body_limit_holds_to_the_byte_in_every_format(server: Server, kind: str, chunked: bool) -> None:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        for more in (-1, 0, 1):
            body = httpx.Request("POST", "/", json=BODY).content if kind == JSON else b"\n"
            body = body.ljust(LIMIT_BYTES + more)
            pieces = (body[start : start + 100_000] for start in range(0, len(body), 100_000))
            answer = client.post("/jjt", content=pieces if chunked else body, headers={"content-type": kind})
            if more > 0:
                refused(answer, 413, "body_too_large")
            else:
                assert answer.status_code == (200 if kind == JSON else 400), answer.text


def test_a_million_chunks_of_one_byte_are_a_body_like_any_other(server: Server) -> None:
    body = httpx.Request("POST", "/", json=BODY).content.ljust(1_000_000)
    before = resident_bytes(server)
    chunks = b"".join(b"1\r\n%c\r\n" % letter for letter in body) + b"0\r\n\r\n"
    client = connect(server, CHUNKED.replace(b"Host", b"Connection: close\r\nHost"), chunks)
    assert answer_of(client).status_code == 200
    assert resident_bytes(server) - before < 32 << 20


def test_a_socket_that_is_half_closed_is_a_client_that_left(server: Server) -> None:
    for sent in (b"", b"GET /li", CHUNKED, CHUNKED + b"5\r\n{", HEAD + b"Content-Length: 9\r\n\r\n{"):
        with connect(server, sent) as client:
            client.shutdown(socket.SHUT_WR)
            client.settimeout(3)
            assert client.recv(1 << 16) == b""


def test_an_answer_that_nobody_reads_takes_no_memory_for_long(server: Server) -> None:
    body = bodies.npy(np.zeros((1_500, 3), np.float32))  # 36 MB of answer
    head = b"POST /jjt?function=two_waves HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-npy\r\n"
    sent = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    answered = httpx.post(
        f"{server.url}/jjt?function=two_waves", content=body, headers={"content-type": NPY}, timeout=60
    )
    assert len(answered.content) > 36_000_000
    base = resident_bytes(server)
    clients = [connect(server, sent) for _ in range(4)]
    time.sleep(0.5)
    deadline = time.monotonic() + 30
    while resident_bytes(server) - base > 72_000_000:  # of 144 MB; the lane may keep the last
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(STALL_SECONDS + 1)
    for client in clients:
        with pytest.raises(ConnectionResetError):
            answer_of(client)


def test_a_thousand_requests_sent_ahead_by_someone_who_leaves_are_not_computed(server: Server) -> None:
    body = httpx.Request("POST", "/", json={"function": "slow_blocks", "x1": [[0.5] * 64] * 16}).content
    assert httpx.post(
        f"{server.url}/jjt", content=body, headers={"content-type": JSON}, timeout=60
    ).is_success
    alone = blocks_done(server)
    httpx.post(f"{server.url}/jjt", content=body, headers={"content-type": JSON}, timeout=60)
    each = blocks_done(server) - alone
    before = blocks_done(server)
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    client = connect(server)
    client.settimeout(0.5)
    with contextlib.suppress(TimeoutError):
        client.sendall(request * 1000)
    client.close()
    time.sleep(0.5)
    last, done = -1.0, blocks_done(server)
    for _ in range(5):  # where the machine is slow, so is the one that runs
        time.sleep(1)
        last, done = done, blocks_done(server)
        if done == last:
            break
    assert done == last
    assert done - before <= 20 * each


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET http://other/livez HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", 200),
        (b"CONNECT t:80 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", 400),
        (b"TRACE /livez HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", 405),
        (b"GET /livez HTTP/1.1\r\nHost: t\r\nRange: bytes=0-3\r\nConnection: close\r\n\r\n", 200),
        (HEAD + b"Content-Length: -1\r\n\r\n", 400),
        (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
        (HEAD + b"Content-Length: 1%b\r\n\r\n" % (b"0" * 30), 400),
        (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400),
        (HEAD + b"Connection: close\r\n\r\n", 400),
        (CHUNKED + b"0\r\nX: " + b"a" * 600_000, 431),
    ],
)
def test_odd_requests_are_answered_as_others_are(server: Server, sent: bytes, status: int) -> None:
    answer = answer_of(connect(server, sent))
    assert answer.status_code == status
    if status >= 400:
        refused(answer, status, answer.json()["code"])


def test_a_body_that_was_asked_for_and_does_not_come_is_408(server: Server) -> None:
    sent = HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    client = connect(server, sent)
    assert client.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
    refused(answer_of(client), 408, "request_timeout")


def test_what_is_refused_by_its_head_is_not_asked_for(server: Server) -> None:
    sent = (
        HEAD + b"Accept: text/html\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
    )
    refused(answer_of(connect(server, sent)), 406, "not_acceptable")


def test_as_many_files_may_be_open_as_connections_need(tmp_path: Path, own: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        server = Server(tmp_path, own, reload=False, connections=300)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        server.await_answer()
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(connect(server)) for _ in range(290)]
            for client in clients:
                client.sendall(b"GET /livez HTTP/1.1\r\nHost: t\r\n\r\n")
                assert client.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
    finally:
        assert server.end() == 0


def test_connections_over_the_limit_are_refused_and_the_others_served(tmp_path: Path, own: Path) -> None:
    with serving(tmp_path, own, reload=False, connections=20) as small:
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(connect(small))
            answer = answer_of(connect(small))
            refused(answer, 503, "too_many_connections")
            assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
        small.await_answer()
        assert httpx.post(f"{small.url}/jjt", json=BODY, timeout=60).status_code == 200
        text = httpx.get(f"{small.url}/metrics", timeout=10).text
        assert 'jjt_refused_connections_total{code="too_many_connections"}' in text
