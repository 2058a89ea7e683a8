"""Errors become ``application/problem+json`` (RFC 9457). The only table from error classes to status codes.

Programs branch on ``code``; ``detail`` is for people. Knows nothing of what was computed.
"""

from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app import errors
from app.api.safety import safe_headers
from app.wire import ENCODINGS

STATUS: dict[type[errors.JJTError], int] = {
    errors.DecodeError: 400,
    errors.Unauthenticated: 401,
    errors.UnknownFunction: 404,
    errors.UnknownVersion: 404,
    errors.NotAcceptable: 406,
    errors.RequestTimeout: 408,
    errors.BodyTooLarge: 413,
    errors.UnknownFormat: 415,
    errors.SpecMismatch: 422,
    errors.NotApplicable: 422,
    errors.AnswerTooLarge: 422,
    errors.QueueFull: 429,
    errors.RateLimited: 429,
    errors.ComputeFailed: 500,
    errors.VerificationFailed: 500,
    errors.NotReady: 503,
    errors.OutOfMemory: 503,
    errors.Draining: 503,
    errors.TooManyConnections: 503,
    errors.DeadlinePassed: 504,
}
# What no error class stands for: the framework and the door refuse these by themselves.
CODES = {404: "not_found", 405: "method_not_allowed", 431: "headers_too_large"}
# Where the error does not say itself.
RETRY_AFTER_SECONDS = dict.fromkeys(
    (kind.code for kind in (errors.NotReady, errors.Draining, errors.TooManyConnections)), 1
)
# RFC 9110, 12.5.3: what a body may be compressed with, where that was what it was refused for.
HEADERS: dict[type[errors.JJTError], dict[str, str]] = {
    errors.UnknownEncoding: {"Accept-Encoding": ", ".join(ENCODINGS)},
}
MEDIA_TYPE = "application/problem+json"


def problem(
    status: int,
    code: str,
    detail: str,
    request_id: str,
    fields: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Render one problem; the typed ``fields`` stand beside the members that every problem has."""
    body = {
        **(fields or {}),
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }
    seconds = body.get("retry_after_seconds", RETRY_AFTER_SECONDS.get(code))
    retry = {} if seconds is None else {"Retry-After": str(seconds)}
    content = orjson.dumps(body, default=str)
    return Response(content, status, {**retry, **(headers or {})}, media_type=MEDIA_TYPE)


def written(answer: Response, request_id: str) -> bytes:
    """The last answer of a connection as HTTP/1.1, for what is refused before there is a request."""
    ours = ((b"x-request-id", request_id.encode()), (b"connection", b"close"))
    headers = [*answer.raw_headers, *safe_headers(""), *ours]
    status = f"HTTP/1.1 {answer.status_code} {HTTPStatus(answer.status_code).phrase}\r\n".encode()
    return b"".join([status, *(b"%b: %b\r\n" % header for header in headers), b"\r\n", bytes(answer.body)])


def status_of(error: errors.JJTError) -> int:
    """The status of an error: that of its nearest class in the table, 500 for one that is not there."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def answer_failures(app: FastAPI) -> None:
    """Make an application answer every error it meets as a problem."""
    app.add_exception_handler(errors.JJTError, _of_ours)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(RequestValidationError, _of_validation)


def request_id(request: Request) -> str:
    """The id that the door gave to a request."""
    return request.scope.get("jjt.request_id", "")


def of_ours(request: Request, error: errors.JJTError) -> Response:
    """The answer that an error is."""
    request.scope.get("jjt.said", {})["code"] = error.code
    headers = HEADERS.get(type(error))
    return problem(status_of(error), error.code, error.detail, request_id(request), error.fields, headers)


async def _of_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.JJTError)
    return of_ours(request, error)


async def _of_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status, headers = error.status_code, dict(error.headers or {})
    code = CODES.get(status, errors.DecodeError.code if status < 500 else errors.ComputeFailed.code)
    detail = str(error.detail)
    if status == 404:
        detail = "nothing is at this path; /docs and /openapi.json list what is"
    if status == 405:
        headers["Allow"] = allowed = _with_head(headers.get("Allow", ""))
        detail = f"{request.method} is not answered at this path; expected {allowed}"
    return problem(status, code, detail, request_id(request), headers=headers)


def _with_head(allow: str) -> str:
    methods = sorted(filter(None, (method.strip() for method in allow.split(","))))
    return ", ".join(sorted({*methods, "HEAD"}) if "GET" in methods else methods)


async def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem(400, errors.DecodeError.code, explain(error.errors()), request_id(request))


def explain(mistakes: Any) -> str:
    """One sentence out of pydantic's list of mistakes: where, what was expected, what came."""
    parts = []
    for mistake in list(mistakes)[:5]:
        where = ".".join(str(part) for part in mistake["loc"] if part not in ("body", "query", "path"))
        came = "" if mistake["type"] == "missing" else f", got {_brief(mistake.get('input'))}"
        parts.append(f"{where or 'body'}: {mistake['msg']}{came}")
    return "; ".join(parts)


def _brief(value: object) -> str:
    text = ascii(value) if not isinstance(value, (dict, list)) else type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."
