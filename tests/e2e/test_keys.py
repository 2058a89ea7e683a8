"""Keys over a real socket: 401 though no byte of a body was sent, and who has a key is served as ever."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
import pytest

from app.keys import add, minted
from jjt_client import Client, RateLimited, Unauthenticated
from tests.api.test_jjt import BODY
from tests.e2e.server import Server, registry_of, serving, until
from tests.e2e.test_connections import answer_of, connect
from tests.e2e.test_hostile import refused
from tests.test_cli import run

pytestmark = pytest.mark.skipif("config.getoption('--keys')", reason="it has keys of its own")

HEAD = b"POST /jjt HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
LARGE = 256 << 20
SECONDS = 1.0  # in which a refusal comes that waits for nothing


class Keyed(NamedTuple):
    """A service, and the secrets of two keys."""

    server: Server
    lab: str
    slow: str


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    """A service with a key without limits, and one of a request every two seconds."""
    folder = tmp_path_factory.mktemp("keyed")
    file, secrets = folder / "keys", []
    for name, limits in (("lab", {}), ("slow", {"requests_per_second": 0.5, "requests_burst": 1})):
        key, secret = minted(name, **limits)
        add(file, key)
        secrets.append(secret)
    with serving(folder, registry_of(folder, "two_waves"), reload=False, keys=file) as server:
        lab, slow = secrets
        yield Keyed(server, lab, slow)


WRONG = {
    "none": b"",
    "empty": b"Authorization: \r\n",
    "no key": b"Authorization: Bearer\r\n",
    "another": b"Authorization: Bearer jjt_" + b"A" * 43 + b"\r\n",
    "not ASCII": "Authorization: Bearer jjt_ключ\r\n".encode(),
    "two": b"Authorization: Bearer LAB\r\nAuthorization: Bearer LAB\r\n",
    "60 KB": b"Authorization: Bearer " + b"x" * 60_000 + b"\r\n",
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("length", [b"Content-Length: %d\r\n" % LARGE, b"Transfer-Encoding: chunked\r\n"])
def test_a_401_comes_though_no_byte_of_the_body_was_sent(keyed: Keyed, wrong: str, length: bytes) -> None:
    began = time.monotonic()
    head = HEAD + length + WRONG[wrong].replace(b"LAB", keyed.lab.encode()) + b"\r\n"
    answer = answer_of(connect(keyed.server, head))
    assert time.monotonic() - began < SECONDS + 2  # what lingers for the body that may be on its way
    refused(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["connection"] == "close"
    assert keyed.lab not in answer.text


def test_a_key_of_a_megabyte_is_a_head_that_is_too_large(keyed: Keyed) -> None:
    client = connect(keyed.server)
    with contextlib.suppress(ConnectionError):
        client.sendall(HEAD + b"Authorization: Bearer " + b"x" * (1 << 20) + b"\r\n\r\n")
    refused(answer_of(client), 431, "headers_too_large")


def test_a_key_in_the_query_is_none_and_stands_in_no_log(keyed: Keyed) -> None:
    head = HEAD.replace(b"/jjt", f"/jjt?key={keyed.lab}&access_token={keyed.lab}".encode())
    refused(answer_of(connect(keyed.server, head + b"Content-Length: 9\r\n\r\n")), 401, "unauthenticated")
    assert keyed.lab not in keyed.server.log


def test_who_expects_to_be_asked_for_the_body_is_not(keyed: Keyed) -> None:
    head = HEAD + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n"
    refused(answer_of(connect(keyed.server, head)), 401, "unauthenticated")


def test_a_body_without_an_end_is_not_read_for_long(keyed: Keyed) -> None:
    client, sent, began = (
        connect(keyed.server, HEAD + b"Content-Length: %d\r\n\r\n" % LARGE),
        0,
        time.monotonic(),
    )
    with pytest.raises(ConnectionError):  # noqa: PT012
        while time.monotonic() - began < 20:
            client.sendall(bytes(1 << 16))
            sent += 1 << 16
            time.sleep(0.005)
    client.close()
    assert sent < LARGE / 2
    assert time.monotonic() - began < 10


def test_with_a_key_requests_are_answered_one_after_the_other_on_one_connection(keyed: Keyed) -> None:
    body = json.dumps(BODY).encode()
    head = HEAD + f"Authorization: Bearer {keyed.lab}\r\nContent-Length: {len(body)}\r\n".encode()
    last = HEAD + b"Content-Length: 9\r\n\r\n"
    with connect(keyed.server, (head + b"\r\n" + body) * 3 + last) as client:
        client.settimeout(20)
        received = b""
        with contextlib.suppress(ConnectionError):
            while piece := client.recv(1 << 16):
                received += piece
    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert received.count(b"HTTP/1.1 401 Unauthorized") == 1


def test_the_client_sends_its_key_and_waits_as_long_as_it_is_told(
    keyed: Keyed, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, x = keyed.server.url, np.array([0.1, 0.2, 0.3])
    monkeypatch.delenv("JJT_KEY", raising=False)
    with Client(url) as client, pytest.raises(Unauthenticated):
        client.jjt("two_waves", x)
    with Client(url, api_key=keyed.lab) as client:
        right = client.jjt("two_waves", x)
    with Client(url, api_key=keyed.slow, retries=0) as client:
        np.testing.assert_array_equal(client.jjt("two_waves", x), right)
        with pytest.raises(RateLimited) as raised:
            client.jjt("two_waves", x)
    assert raised.value.retry_after_seconds == 2
    assert raised.value.fields["limit"] == "requests"
    monkeypatch.setenv("JJT_KEY", keyed.slow)
    began = time.monotonic()
    with Client(url) as client:
        np.testing.assert_array_equal(client.jjt("two_waves", x), right)
    assert time.monotonic() - began > 1


def test_jjt_bench_has_a_key_by_its_flag_or_by_the_variable(
    keyed: Keyed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["bench", keyed.server.url, "--concurrency", "1", "--seconds", "0.2", "--format", "safetensors"]
    monkeypatch.delenv("JJT_KEY", raising=False)
    code, _, said = run(capsys, *asked)
    assert code == 2
    assert "a key is asked for" in said
    code, printed, said = run(capsys, *asked, "--check", "--key", keyed.lab)
    assert code == 0, said
    monkeypatch.setenv("JJT_KEY", keyed.lab)
    assert run(capsys, *asked)[0] == 0
    assert keyed.lab not in printed + said
    code, _, said = run(capsys, *asked, "--key", f"{keyed.lab}\n")
    assert code == 2
    assert keyed.lab not in said


def test_the_log_names_the_key(keyed: Keyed) -> None:
    headers = {"Authorization": f"Bearer {keyed.lab}", "X-Request-Id": "who-was-it"}
    assert httpx.get(f"{keyed.server.url}/functions", headers=headers).status_code == 200

    def lines() -> list[str]:
        return [line for line in keyed.server.log.splitlines() if "who-was-it" in line]

    until(lines)  # a line is written once its answer is sent
    assert [json.loads(line)["key"] for line in lines()] == ["lab"]
    assert keyed.lab not in keyed.server.log
    assert "Traceback" not in keyed.server.log


def test_a_broken_file_stops_the_start_with_one_line(tmp_path: Path, own: Path) -> None:
    (tmp_path / "keys").write_text("jjt_" + "A" * 43)
    server = Server(tmp_path, own, keys=tmp_path / "keys")
    assert server.process.wait(60) == 1
    assert server.log == f"jjt: {tmp_path / 'keys'}: line 1 is no key: " + server.log.partition("no key: ")[2]
    assert len(server.log.splitlines()) == 1
    assert "AAAA" not in server.log
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))
