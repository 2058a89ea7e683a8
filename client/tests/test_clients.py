"""Both clients, against answers that are made up and against sockets that misbehave."""

import io
import json
import socket

import httpx
import numpy as np
import pytest

from jjt_client import (
    AsyncClient,
    Client,
    ConnectionFailed,
    NotReady,
    ServiceError,
    SpecMismatch,
    TimedOut,
    UnexpectedAnswer,
)

file = io.BytesIO()
np.save(file, np.eye(2, dtype=np.float32))
NPY = file.getvalue()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-npy\r\nContent-Length: %d\r\n\r\n" % len(NPY)


def matrix(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, headers={"Content-Type": "application/x-npy"}, content=NPY)


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    body = {"code": code, "detail": "because", "status": status, "request_id": "abc"}
    return httpx.Response(status, json=body, headers=headers)


class Answers:
    """Answers in order, the last one for ever, and keeps what was asked."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.asked: list[httpx.Request] = []
        self._answers = answers

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self._answers[min(len(self.asked), len(self._answers)) - 1]


def test_the_matrix_comes_back(ask) -> None:
    assert np.array_equal(ask(matrix, "jjt", "f", [1.0]), np.eye(2))


def test_what_is_sent_is_what_was_built(ask) -> None:
    answers = Answers(matrix(httpx.Request("GET", "http://a")))
    ask(
        answers, "jjt", "f", [1.0], wrt="params.a,params.b", client={"headers": {"Authorization": "Bearer k"}}
    )
    sent = answers.asked[0]
    assert str(sent.url) == "http://service/jjt?function=f&wrt=params.a%2Cparams.b"
    assert sent.headers["content-type"] == "application/vnd.safetensors"
    assert sent.headers["accept"] == "application/x-npy"
    assert sent.headers["authorization"] == "Bearer k"


def test_a_service_below_a_path_is_asked_there(ask) -> None:
    answers = Answers(httpx.Response(200, json={"functions": []}))
    assert ask(answers, "functions", client={"base_url": "http://service/kernels/"}) == []
    assert str(answers.asked[0].url) == "http://service/kernels/functions"


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again_when_it_says(ask, waits: list[float], status: int) -> None:
    busy = problem(status, "not_ready", **{"Retry-After": "3"})
    answers = Answers(busy, busy, matrix(httpx.Request("GET", "http://a")))
    assert np.array_equal(ask(answers, "jjt", "f", [1.0]), np.eye(2))
    assert len(waits) == 2
    assert all(3 <= seconds < 4 for seconds in waits)
    assert {request.content for request in answers.asked} == {answers.asked[0].content}


def test_a_service_that_stays_busy_raises_its_last_answer(ask, waits: list[float]) -> None:
    answers = Answers(problem(503, "not_ready", **{"Retry-After": "1"}))
    with pytest.raises(NotReady) as caught:
        ask(answers, "jjt", "f", [1.0], client={"retries": 2})
    assert (len(answers.asked), len(waits)) == (3, 2)
    assert (caught.value.request_id, caught.value.retry_after_seconds) == ("abc", 1)


def test_waits_do_not_outlast_the_deadline(ask, waits: list[float]) -> None:
    answers = Answers(problem(429, "queue_full", **{"Retry-After": "4"}))
    with pytest.raises(ServiceError):
        ask(answers, "jjt", "f", [1.0], deadline_seconds=6, client={"retries": 9})
    assert len(waits) == 1


@pytest.mark.parametrize("status", [400, 404, 422, 500, 502, 504])
def test_any_other_refusal_is_asked_once(ask, waits: list[float], status: int) -> None:
    answers = Answers(problem(status, "spec_mismatch", **{"Retry-After": "1"}))
    with pytest.raises(SpecMismatch):
        ask(answers, "jjt", "f", [1.0])
    assert len(answers.asked) == 1
    assert not waits


def test_ready_asks_once_and_passes_on_what_is_missing(ask, waits: list[float]) -> None:
    said = {"ready": False, "reasons": ["reports"], "failed": []}
    assert ask(Answers(httpx.Response(503, json=said)), "ready") == said
    answers = Answers(httpx.Response(503, text="no upstream"))
    with pytest.raises(ServiceError, match="no upstream"):
        ask(answers, "ready")
    assert len(answers.asked) == 1
    assert not waits


def test_a_deadline_sets_the_patience_to_read_just_beyond_it(ask) -> None:
    answers = Answers(matrix(httpx.Request("GET", "http://a")))
    ask(answers, "jjt", "f", [1.0], client={"timeout": 1.0})
    ask(answers, "jjt", "f", [1.0], deadline_seconds=100, client={"timeout": 1.0})
    without, beyond = (request.extensions["timeout"] for request in answers.asked)
    assert without["read"] == 1
    assert 100 < beyond["read"] <= 110
    assert beyond["write"] == beyond["connect"] == 1


def test_an_answer_that_cannot_be_unpacked_is_unexpected(ask) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        headers = {"Content-Type": "application/x-npy", "Content-Encoding": "gzip"}
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(b"no gzip"))

    with pytest.raises(UnexpectedAnswer, match="unpacked"):
        ask(handler, "jjt", "f", [1.0])


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("url", ["localhost:8000", "", "ftp://host", "http://", "http://a:b"])
def test_a_url_that_is_none_is_refused_at_once(kind: type, url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        kind(url)


def test_nobody_listening_is_told_after_the_retries(ask, waits: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionFailed, match=f"http://127.0.0.1:{port}/jjt") as caught:
        ask(f"http://user:secret@127.0.0.1:{port}", "jjt", "f", [1.0], client={"retries": 2})
    assert caught.value.stage == "connecting"
    assert "secret" not in str(caught.value)
    assert len(waits) == 2


def test_a_connection_dropped_before_the_answer_is_tried_once_more(ask, scripted, waits: list[float]) -> None:
    with scripted(b"", HEAD + NPY) as server:
        assert np.array_equal(ask(server.url, "jjt", "f", [1.0]), np.eye(2))
        assert server.connections == 2
    with scripted(b"") as server:
        with pytest.raises(ConnectionFailed) as caught:
            ask(server.url, "jjt", "f", [1.0])
        assert caught.value.stage == "waiting"
        assert server.connections == 2
    assert len(waits) == 2


def test_half_an_answer_is_never_asked_for_again(ask, scripted, waits: list[float]) -> None:
    with scripted((HEAD + NPY)[:-1]) as server:
        with pytest.raises(ConnectionFailed) as caught:
            ask(server.url, "jjt", "f", [1.0])
        assert caught.value.stage == "reading"
        assert server.connections == 1
    assert not waits


@pytest.mark.parametrize(("sent", "stage"), [(b"", "waiting"), (HEAD, "reading")])
def test_silence_ends_when_the_patience_does(
    ask, scripted, waits: list[float], sent: bytes, stage: str
) -> None:
    with scripted((sent,)) as server:
        with pytest.raises(TimedOut) as caught:
            ask(server.url, "jjt", "f", [1.0], client={"timeout": 0.3})
        assert caught.value.stage == stage
        assert server.connections == 1
    assert not waits


def test_what_is_not_http_is_a_failed_connection(ask, scripted, waits: list[float]) -> None:
    with scripted(b"220 mail.example ready\r\n") as server, pytest.raises(ConnectionFailed):
        ask(server.url, "jjt", "f", [1.0])
    assert len(waits) == 1


def test_a_closed_client_says_so() -> None:
    client = Client("http://service", transport=httpx.MockTransport(matrix))
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.jjt("f", [1.0])


def test_both_clients_have_the_same_methods() -> None:
    names = {name for name in vars(Client) if not name.startswith("_")} - {"close"}
    assert names == {name for name in vars(AsyncClient) if not name.startswith("_")} - {"aclose"}


def test_json_answers_come_as_they_are(ask) -> None:
    said = {"function": "f", "algorithm": None}
    answers = Answers(httpx.Response(200, json=said))
    assert ask(answers, "plan", "f", 3, 4, memory_bytes=5) == said
    assert json.loads(answers.asked[0].content) == {"function": "f", "n1": 3, "n2": 4, "memory_bytes": 5}
