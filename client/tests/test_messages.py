"""Requests and answers, without a socket."""

import io
import json

import numpy as np
import pytest
import safetensors.numpy

from jjt_client import InvalidInput, JJTError, SpecMismatch, UnexpectedAnswer, build_request, read_response
from jjt_client.messages import Answer, build_function, build_plan, read_functions, read_ready

HEADERS = {"Content-Type": "application/x-npy", "JJT-Function": "f@1", "X-Request-Id": "abc"}


def saved(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_a_request_is_a_safetensors_file_with_its_options_in_the_query() -> None:
    x1, x2 = np.arange(3.0), {"a": np.float32(1), "b": [1, 2]}
    request = build_request("f@1", x1, x2, wrt="params.*", precision="high", deadline_seconds=2.5)
    assert (request.method, request.path) == ("POST", "/jjt")
    assert dict(request.options) == {
        "function": "f@1",
        "wrt": "params.*",
        "precision": "high",
        "deadline_seconds": "2.5",
    }
    assert request.headers == {
        "Accept": "application/x-npy",
        "Content-Type": "application/vnd.safetensors",
        "Accept-Encoding": "identity",
    }
    found = safetensors.numpy.load(request.body)
    assert set(found) == {"x1", "x2.a", "x2.b"}
    assert np.array_equal(found["x1"], x1)


def test_verify_and_its_tolerance_are_options_like_others() -> None:
    request = build_request("f", 1.0, verify=20, verify_tolerance=64.5)
    assert dict(request.options) == {"function": "f", "verify": "20", "verify_tolerance": "64.5"}


def test_x2_left_out_is_not_sent() -> None:
    assert set(safetensors.numpy.load(build_request("f", [1.0]).body)) == {"x1"}


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_deadline_that_is_none_is_refused_before_it_becomes_a_timeout(seconds: float) -> None:
    with pytest.raises(InvalidInput, match="deadline_seconds"):
        build_request("f", 1.0, deadline_seconds=seconds)


def test_a_plan_is_asked_for_in_json_without_what_was_left_out() -> None:
    request = build_plan("f", 3, wrt="x", memory_bytes=1000)
    assert json.loads(request.body) == {"function": "f", "n1": 3, "wrt": "x", "memory_bytes": 1000}


def test_a_name_cannot_leave_its_place_in_the_path() -> None:
    assert build_function("a/../b?c@1").path == "/functions/a%2F..%2Fb%3Fc%401"


def test_an_answer_is_the_matrix_with_what_its_headers_say() -> None:
    matrix = read_response(200, HEADERS, saved(np.eye(2, dtype="f")), wrt="x")
    assert (matrix.function, matrix.version, matrix.wrt, matrix.request_id) == ("f", "1", "x", "abc")
    assert matrix.dtype == np.float32
    assert np.array_equal(matrix, np.eye(2))


def test_a_problem_becomes_its_class() -> None:
    body = json.dumps({"code": "spec_mismatch", "detail": "x1 has …", "status": 422}).encode()
    with pytest.raises(SpecMismatch, match="x1 has …"):
        read_response(422, {"Content-Type": "application/problem+json"}, body)


@pytest.mark.parametrize(
    ("status", "media_type", "body"),
    [
        (200, "text/html", b"<html>please log in</html>"),
        (200, "", b""),
        (200, "application/x-npy", saved(np.eye(2))[:-1]),
        (200, "application/x-npy", b"\x93NUMPY"),
        (204, "application/x-npy", b""),
        (307, "text/html", b"elsewhere"),
    ],
)
def test_an_answer_that_is_no_matrix_is_unexpected(status: int, media_type: str, body: bytes) -> None:
    with pytest.raises(UnexpectedAnswer) as caught:
        read_response(status, {"Content-Type": media_type, "X-Request-Id": "abc"}, body)
    assert (caught.value.status, caught.value.request_id) == (status, "abc")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_json_of_another_service_is_unexpected(body: bytes) -> None:
    with pytest.raises(UnexpectedAnswer):
        read_functions(Answer(200, {"content-type": "application/json; charset=utf-8"}, body))


def test_a_service_that_is_not_ready_says_so_without_an_error() -> None:
    said = {"ready": False, "reasons": ["reports"], "failed": []}
    answer = Answer(503, {"content-type": "application/json"}, json.dumps(said).encode())
    assert read_ready(answer) == said
    with pytest.raises(JJTError):
        read_ready(Answer(503, {"content-type": "text/html"}, b"no upstream"))
