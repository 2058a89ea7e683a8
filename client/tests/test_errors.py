"""Every answer that is none becomes an error that a caller can branch on."""

import json
import pickle
import re
import time
from email.utils import formatdate

import pytest

import jjt_client
from app import errors as of_service
from jjt_client import (
    AnswerTooLarge,
    ConnectionFailed,
    JJTError,
    NoAnswer,
    RequestError,
    ServiceError,
    UnexpectedAnswer,
    errors,
)
from jjt_client.errors import CLASSES, error_of, retry_after_seconds


def classes(kind: type) -> set[type]:
    return {kind}.union(*map(classes, kind.__subclasses__()))


def test_every_code_of_the_service_has_the_class_of_the_same_name() -> None:
    inside = {of_service.LoadError, of_service.InvalidOption}  # never answered; shares its parent's code
    expected = {
        kind.code: kind.__name__
        for kind in classes(of_service.JJTError) - inside
        if "code" in vars(kind) and kind is not of_service.JJTError
    }
    assert {code: kind.__name__ for code, kind in CLASSES.items()} == expected


def test_every_class_stands_in_the_picture_and_can_be_imported() -> None:
    picture = errors.__doc__ or ""
    for kind in classes(JJTError):
        assert re.search(rf"\b{kind.__name__}\b", picture)
        assert getattr(jjt_client, kind.__name__) is kind


def test_an_error_carries_what_the_problem_says() -> None:
    body = {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "too large",
        "code": "answer_too_large",
        "request_id": "abc",
        "needed_bytes": 8,
        "allowed_bytes": 4,
    }
    error = error_of(422, {"retry-after": "2"}, json.dumps(body).encode())
    assert type(error) is AnswerTooLarge
    assert (error.status, error.code, error.detail, error.request_id) == (
        422,
        "answer_too_large",
        "too large",
        "abc",
    )
    assert error.fields == {"needed_bytes": 8, "allowed_bytes": 4}
    assert error.retry_after_seconds == 2
    assert str(error) == "422 answer_too_large: too large (request abc)"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, UnexpectedAnswer),
        (400, RequestError),
        (409, RequestError),
        (418, RequestError),
        (429, ServiceError),
        (500, ServiceError),
        (502, ServiceError),
        (599, ServiceError),
    ],
)
def test_a_code_that_is_not_known_maps_by_its_status(status: int, kind: type) -> None:
    error = error_of(status, {}, b'{"code": "made_up", "detail": "later"}')
    assert type(error) is kind
    assert (error.code, error.detail) == ("made_up", "later")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><h1>502 Bad Gateway</h1></html>",
        b"\xff\xfe",
        b"[]",
        b'"text"',
        b'{"code": 7, "detail": ["a"], "request_id": null}',
        b"[" * 100_000,
        b"x" * 1_000_000,
    ],
)
def test_a_body_that_is_no_problem_still_makes_an_error(body: bytes) -> None:
    error = error_of(502, {"x-request-id": "abc"}, body)
    assert type(error) is ServiceError
    assert error.code == ""
    assert error.request_id == "abc"
    assert 0 < len(error.detail) < 400


def test_errors_travel_between_processes() -> None:
    for error in (
        error_of(422, {}, b'{"code": "answer_too_large", "detail": "a", "needed_bytes": 8}'),
        ConnectionFailed("b", stage="reading"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert vars(again) == vars(error)
        assert str(again) == str(error)


def test_failures_of_the_way_are_caught_as_one() -> None:
    assert issubclass(ConnectionFailed, NoAnswer)
    assert not issubclass(NoAnswer, (RequestError, ServiceError))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0), ("7", 7), (" 12 ", 12), ("-1", None), ("1.5", None), ("soon", None), ("", None), (None, None)],
)
def test_retry_after_is_a_number_of_seconds_or_nothing(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value) == seconds


def test_a_date_in_retry_after_is_read_by_the_clock_of_the_service() -> None:
    now = time.time()
    soon, past = formatdate(now + 30, usegmt=True), formatdate(now - 30, usegmt=True)
    assert retry_after_seconds(soon) == pytest.approx(30, abs=2)
    assert retry_after_seconds(past) == 0
    hour_behind = [formatdate(now - 3600 + ahead, usegmt=True) for ahead in (30, 0)]
    assert retry_after_seconds(*hour_behind) == pytest.approx(30, abs=2)
    assert retry_after_seconds(soon, "no date") == pytest.approx(30, abs=2)
