"""The tree of errors: an answer that is none -> the class that a caller catches. Sends nothing.

    JJTError
    ├── InvalidInput                 refused here, before anything was sent
    ├── NoAnswer                     none came, or not all of it; ``stage`` says how far it got
    │   ├── ConnectionFailed         no connection, or it broke
    │   └── TimedOut                 the client's own patience ended
    ├── UnexpectedAnswer             an answer that no such service writes
    ├── RequestError                 the caller can mend it (4xx)
    │   ├── DecodeError              the bytes are not what their format says, or an option is wrong
    │   ├── Unauthenticated          the service asks for a key, and knows none that came
    │   ├── RequestTimeout           the bytes of the request came too slowly
    │   ├── UnknownFormat            a body in a format that the service does not read
    │   ├── NotAcceptable            an answer in a format that the service does not write
    │   ├── BodyTooLarge             over ``fields["allowed_bytes"]``
    │   ├── UnknownFunction          no function of that name
    │   ├── UnknownVersion           the function is there, the version is not
    │   ├── SpecMismatch             arrays, wrt or names do not fit the function
    │   ├── NotApplicable            this algorithm cannot do this function
    │   └── AnswerTooLarge           the matrix would not fit
    ├── ServiceError                 the caller can try again later (429, 5xx)
    │   ├── NotReady                 the service is still starting
    │   ├── QueueFull                more was asked for than can be answered soon
    │   ├── RateLimited              the key has had what it may have for now
    │   ├── OutOfMemory              the device has no room for a block
    │   ├── Draining                 the service is about to end
    │   ├── TooManyConnections       as many are open as the service holds
    │   └── DeadlinePassed           no answer within the time that was given
    ├── ComputeFailed                the computation raised; the service's log has more
    └── VerificationFailed           the matrix is further off than ``verify_tolerance``

A code that is not in the tree becomes ``RequestError`` or ``ServiceError``, by its status.
"""

import json
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, ClassVar, Literal

SHOWN_BYTES = 200
MEMBERS = frozenset({"type", "title", "status", "detail", "code", "request_id"})  # every problem has them

Stage = Literal["connecting", "waiting", "reading"]


class JJTError(Exception):
    """Something went wrong, and this says what.

    Args:
        detail: what was expected, what came, what to do.
        status: of the answer; None where there was none.
        code: the service's word for it, to branch on; empty where the service said none.
        request_id: under which the service's log has the request; empty where it said none.
        fields: typed facts behind the detail, such as ``needed_bytes``.
        retry_after_seconds: how long the service asked to wait; None where it did not.
    """

    mirrors: ClassVar[str] = ""

    def __init__(
        self,
        detail: str,
        *,
        status: int | None = None,
        code: str = "",
        request_id: str = "",
        fields: Mapping[str, Any] | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.code = code
        self.request_id = request_id
        self.fields = dict(fields or {})
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        kind = " ".join(filter(None, (str(self.status or ""), self.code)))
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{kind}: {self.detail}{request}" if kind else self.detail


class InvalidInput(JJTError):
    """What was passed cannot be sent: no array, a dtype that the service does not read, and the like."""


class NoAnswer(JJTError):
    """No answer came, or not all of it.

    Args:
        detail: what happened, and where.
        stage: ``connecting`` (nothing was sent), ``waiting`` (no byte of an answer came) or ``reading``.
    """

    def __init__(self, detail: str, *, stage: Stage = "waiting") -> None:
        super().__init__(detail)
        self.stage: Stage = stage


class ConnectionFailed(NoAnswer):
    """There was no connection, or it broke before the answer was whole."""


class TimedOut(NoAnswer):
    """The client's own patience ended before the answer was whole."""


class UnexpectedAnswer(JJTError):
    """The answer is not what a jjt service writes; perhaps something between here and there wrote it."""


class RequestError(JJTError):
    """The request cannot be answered as it stands."""


class DecodeError(RequestError):
    """The bytes of the body are not what their format says, or an option is unknown or out of range."""

    mirrors = "decode_error"


class Unauthenticated(RequestError):
    """The service asks for a key, and none came, or none that it knows."""

    mirrors = "unauthenticated"


class RequestTimeout(RequestError):
    """The bytes of the request did not come to the service, or came too slowly."""

    mirrors = "request_timeout"


class UnknownFormat(RequestError):
    """The service does not read this format."""

    mirrors = "unknown_format"


class NotAcceptable(RequestError):
    """The service does not write this format."""

    mirrors = "not_acceptable"


class BodyTooLarge(RequestError):
    """The body is larger than ``fields["allowed_bytes"]``."""

    mirrors = "body_too_large"


class UnknownFunction(RequestError):
    """The service has no function of that name."""

    mirrors = "unknown_function"


class UnknownVersion(RequestError):
    """The service has the function, but not in that version."""

    mirrors = "unknown_version"


class SpecMismatch(RequestError):
    """Arrays, their names or wrt do not fit what the function declares."""

    mirrors = "spec_mismatch"


class NotApplicable(RequestError):
    """The algorithm cannot do this function."""

    mirrors = "not_applicable"


class AnswerTooLarge(RequestError):
    """The answer needs ``fields["needed_bytes"]``, and ``fields["allowed_bytes"]`` are there."""

    mirrors = "answer_too_large"


class ServiceError(JJTError):
    """The service cannot answer now."""


class NotReady(ServiceError):
    """The service is still starting."""

    mirrors = "not_ready"


class QueueFull(ServiceError):
    """More is asked of the service than it can answer soon; try again after ``retry_after_seconds``."""

    mirrors = "queue_full"


class RateLimited(ServiceError):
    """The key has had what ``fields["limit"]`` allows; try again after ``retry_after_seconds``."""

    mirrors = "rate_limited"


class OutOfMemory(ServiceError):
    """The device has no room for a block of the computation, not even for half of one."""

    mirrors = "out_of_memory"


class Draining(ServiceError):
    """The service is about to end; another, or the next, can answer."""

    mirrors = "draining"


class TooManyConnections(ServiceError):
    """As many connections are open as the service holds."""

    mirrors = "too_many_connections"


class DeadlinePassed(ServiceError):
    """The answer was not there within the time that the request, or the service, allows."""

    mirrors = "deadline_passed"


class ComputeFailed(JJTError):
    """The computation raised; the service's log has the traceback, under ``request_id``."""

    mirrors = "compute_failed"


class VerificationFailed(JJTError):
    """Recomputed entries are off by ``fields["error"]``, more than ``fields["tolerance"]``.

    An infinite error stands in no field: an entry is not finite, and should be, or the other way round.
    """

    mirrors = "verification_failed"


CLASSES: Mapping[str, type[JJTError]] = {
    kind.mirrors: kind
    for kind in (
        DecodeError,
        Unauthenticated,
        RequestTimeout,
        UnknownFormat,
        NotAcceptable,
        BodyTooLarge,
        UnknownFunction,
        UnknownVersion,
        SpecMismatch,
        NotApplicable,
        AnswerTooLarge,
        NotReady,
        QueueFull,
        RateLimited,
        OutOfMemory,
        Draining,
        TooManyConnections,
        DeadlinePassed,
        ComputeFailed,
        VerificationFailed,
    )
}


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> JJTError:
    """The error that an answer other than 200 stands for.

    Args:
        status: of the answer.
        headers: by lower-case name.
        body: problem+json, or whatever something between here and there wrote.
    """
    problem = _problem(body)
    code = _text(problem, "code")
    return CLASSES.get(code, _of_status(status))(
        _text(problem, "detail") or _excerpt(status, body),
        status=status,
        code=code,
        request_id=_text(problem, "request_id") or headers.get("x-request-id", ""),
        fields={name: value for name, value in problem.items() if name not in MEMBERS},
        retry_after_seconds=retry_after_seconds(headers.get("retry-after"), headers.get("date")),
    )


def _of_status(status: int) -> type[JJTError]:
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServiceError
    return RequestError if status >= HTTPStatus.BAD_REQUEST else UnexpectedAnswer


def _problem(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(problem: Mapping[str, Any], name: str) -> str:
    value = problem.get(name)
    return value if isinstance(value, str) else ""


def _excerpt(status: int, body: bytes) -> str:
    text = " ".join(body[:SHOWN_BYTES].decode("utf-8", "replace").split())
    return f"the answer is {status} without a problem that says why: {text or 'an empty body'}"


def retry_after_seconds(value: str | None, date: str | None = None) -> float | None:
    """What Retry-After asks for, in seconds from now.

    Args:
        value: the header: a number of seconds, or a date.
        date: the answer's own Date, by whose clock the date is read; by ours where it is missing.

    Returns:
        At least 0, or None for no header and for one that cannot be read.
    """
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value)
    until = _timestamp(value)
    if until is None:
        return None
    now = _timestamp(date)
    return max(0.0, until - (time.time() if now is None else now))


def _timestamp(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
