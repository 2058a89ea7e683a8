"""The end of the process: what was accepted is answered, rightly or with 503, and the exit code is 0."""

import concurrent.futures
import contextlib
import http.client
import json
import math
import random
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.e2e.server import Server, registry_of, serving, until
from tests.e2e.test_connections import answer_of, connect
from tests.e2e.test_hostile import refused
from tests.wire import bodies
from tests.wire.bodies import NPY

SLOW = {"function": "slow_blocks", "x1": [[0.5] * 64] * 64}
STUCK = {"function": "stuck", "x1": [0.1, 0.2, 0.3]}
GET = b"GET /functions HTTP/1.1\r\nHost: t\r\n\r\n"


def drained(answer: httpx.Response) -> None:
    refused(answer, 503, "draining")
    assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")


def ask(server: Server, seed: int) -> str:
    """One request on a connection of its own, and whether its answer is the right one."""
    x0, x2 = random.Random(seed).uniform(-1, 1), random.Random(seed + 1).uniform(-1, 1)
    body = {"function": "two_waves", "x1": [x0, 0.5, x2]}
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    with contextlib.closing(client):
        try:
            client.connect()
        except ConnectionRefusedError:
            return "nobody listens"
        client.request("POST", "/jjt", json.dumps(body), {"Content-Type": "application/json"})
        raw = client.getresponse()
        answer = httpx.Response(raw.status, headers=raw.getheaders(), content=raw.read())
    if answer.status_code == 200:
        right = [[math.cos(x0) ** 2 + 1, 0], [0, 4 * x2**2]]
        np.testing.assert_allclose(answer.json()["matrix"], right, rtol=1e-5)
        return "right"
    drained(answer)
    time.sleep(0.1)  # what is under way is to have the processor
    return "draining"


@contextlib.contextmanager
def asked(server: Server, body: dict) -> Iterator["concurrent.futures.Future[httpx.Response]"]:
    """A request under way: it has passed the door, and nothing else has that is not answered."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answering = pool.submit(httpx.post, f"{server.url}/jjt", json=body, timeout=120)
        until(lambda: "jjt_requests_in_flight 2.0" in httpx.get(f"{server.url}/metrics").text)
        time.sleep(0.2)
        assert not answering.done()
        yield answering


def test_under_load_every_request_is_answered_until_nobody_listens(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, "two_waves", "slow_blocks")
    with serving(tmp_path, registry, reload=False, drain_seconds=60) as server:
        ask(server, 0)
        httpx.post(f"{server.url}/jjt", json=SLOW, timeout=60)

        def work(number: int) -> Counter[str]:
            said: Counter[str] = Counter()
            while not said["nobody listens"]:
                said[ask(server, number)] += 1
            return said

        with asked(server, SLOW) as answering, concurrent.futures.ThreadPoolExecutor(10) as pool:
            working = [pool.submit(work, number) for number in range(10)]
            time.sleep(0.5)
            assert not answering.done()
            server.process.send_signal(signal.SIGTERM)
            answer = answering.result()
            said = sum((each.result() for each in working), Counter())
        assert answer.status_code == 200, answer.text
        assert answer.headers["connection"] == "close"
        assert said["right"] >= 10
        assert said["draining"] > 10
        assert server.process.wait(10) == 0
        assert "Traceback" not in server.log


def test_while_it_drains_it_lives_and_is_not_ready(tmp_path: Path) -> None:
    registry = registry_of(tmp_path, "two_waves", "slow_blocks")
    with serving(tmp_path, registry, reload=False, drain_seconds=60) as server:
        with contextlib.ExitStack() as stack:
            kept = stack.enter_context(httpx.Client(base_url=server.url, timeout=30))
            assert kept.get("/functions").status_code == 200
            begun, silent = connect(server, GET[:7]), connect(server)
            answering = stack.enter_context(asked(server, SLOW))
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
            assert httpx.get(f"{server.url}/livez").status_code == 200
            ready = httpx.get(f"{server.url}/readyz")
            assert (ready.status_code, ready.json()["reasons"]) == (503, ["draining"])
            drained(kept.get("/functions"))
            drained(httpx.post(f"{server.url}/jjt", json=SLOW))
            drained(httpx.post(f"{server.url}/plan", json={"function": "two_waves", "n1": 1}))
            begun.sendall(GET[7:])
            drained(answer_of(begun))
            silent.sendall(GET)
            drained(answer_of(silent))
            assert not answering.done()
            assert answering.result().status_code == 200
        assert server.process.wait(10) == 0


def test_a_connection_that_was_just_accepted_is_answered_at_the_very_end(tmp_path: Path, own: Path) -> None:
    with serving(tmp_path, own, reload=False) as server:
        silent, begun, idle = connect(server), connect(server, GET[:7]), connect(server, GET)
        received = b""
        while not received.endswith(b"}"):
            received += idle.recv(1 << 16)
        server.process.send_signal(signal.SIGTERM)
        assert idle.recv(1) == b""
        idle.close()
        silent.sendall(GET)
        begun.sendall(GET[7:])
        drained(answer_of(silent))
        drained(answer_of(begun))
        assert server.process.wait(10) == 0


def test_an_idle_service_ends_at_once(tmp_path: Path, own: Path) -> None:
    with serving(tmp_path, own, reload=False) as server, httpx.Client(base_url=server.url) as kept:
        kept.get("/livez")
        began = time.monotonic()
        assert server.end(signal.SIGINT, seconds=10) == 0
        assert time.monotonic() - began < 4


def test_a_large_answer_reaches_a_slow_reader(tmp_path: Path, own: Path) -> None:
    body = bodies.npy(np.zeros((1_500, 3), np.float32))
    head = b"POST /jjt?function=two_waves HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-npy\r\n"
    with serving(tmp_path, own, reload=False) as server:
        url, headers = f"{server.url}/jjt?function=two_waves", {"content-type": NPY}
        whole = httpx.post(url, content=body, headers=headers, timeout=60).content
        client = connect(server, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        received = bytearray(client.recv(1000))
        server.process.send_signal(signal.SIGTERM)
        while piece := client.recv(1 << 20):
            received += piece
            time.sleep(0.02)
        client.close()
        assert received.partition(b"\r\n\r\n")[2] == whole
        assert server.process.wait(10) == 0


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGTERM, signal.SIGTERM], [signal.SIGINT] * 2])
def test_a_request_that_is_stuck_is_told_so_and_ends_nothing_late(tmp_path: Path, signals: list) -> None:
    settings = {"reload": False, "drain_seconds": 1.5 if len(signals) == 1 else 60}
    with serving(tmp_path, registry_of(tmp_path, "stuck"), **settings) as server:
        with asked(server, STUCK) as answering:
            began = time.monotonic()
            for number in signals:
                server.process.send_signal(number)
                time.sleep(0.5)
            drained(answering.result(10))
            waited = time.monotonic() - began
            assert waited >= 1.5 if len(signals) == 1 else waited < 3
        assert server.process.wait(10) == 0
        assert time.monotonic() - began < 9
        assert "Traceback" not in server.log


def test_a_request_that_waits_for_a_compiler_is_told_so(tmp_path: Path) -> None:
    body = {"function": "slow_compile", "x1": [[0.1, 0.2, 0.3, 0.4]] * 65, "algorithm": "contraction"}
    settings = {"reload": False, "drain_seconds": 0}
    with serving(tmp_path, registry_of(tmp_path, "slow_compile"), **settings) as server:
        with asked(server, body) as answering:
            server.process.send_signal(signal.SIGTERM)
            drained(answering.result(10))
        assert server.process.wait(10) == 0
        assert "Traceback" not in server.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_body_that_is_on_its_way_may_come(tmp_path: Path, own: Path, number: int) -> None:
    content = httpx.Request("POST", "/", json={"function": "two_waves", "x1": [0.0, 0.0, 0.5]}).content
    head = b"POST /jjt HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with serving(tmp_path, own, reload=False) as server:
        client = connect(server, head % len(content) + content[:9])
        time.sleep(0.3)
        server.process.send_signal(number)
        time.sleep(0.5)
        client.sendall(content[9:])
        answer = answer_of(client)
        assert answer.status_code == 200
        assert answer.json()["matrix"] == [[2, 0], [0, 1]]
        assert server.process.wait(10) == 0


def test_a_signal_while_the_registry_is_read_ends_the_process_with_0(tmp_path: Path, own: Path) -> None:
    (own / "slow_file.py").write_text(
        f"import pathlib, time\npathlib.Path({str(tmp_path / 'begun')!r}).touch()\ntime.sleep(60)\n"
    )
    server = Server(tmp_path, own, reload=False)
    limit = time.monotonic() + 60
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < limit
        time.sleep(0.05)
    assert server.end(seconds=10) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))
