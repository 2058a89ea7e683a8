"""The tree of errors: what can go wrong, in the words that a caller reads. Knows no HTTP.

    JJTError
    ├── RequestError                 the caller can mend it
    │   ├── DecodeError              the bytes are not what their format says
    │   │   └── InvalidOption        an option is unknown, missing, given twice or out of range
    │   ├── Unauthenticated          no key came, or none that is known
    │   ├── RequestTimeout           the bytes of the request come too slowly
    │   ├── UnknownFormat            a body in a format that nobody here reads
    │   │   └── UnknownEncoding      a body that is compressed as nobody here reads, or more than once
    │   ├── NotAcceptable            an answer in a format that nobody here writes
    │   ├── BodyTooLarge             the body, or what it expands to, is over the limit
    │   ├── UnknownFunction          no function of that name
    │   ├── UnknownVersion           the function is there, the version is not
    │   ├── SpecMismatch             arrays, wrt or names do not fit the function
    │   ├── NotApplicable            this algorithm cannot do this function
    │   └── AnswerTooLarge           the matrix would not fit
    ├── ServiceError                 the caller can try again
    │   ├── NotReady                 the service is still starting
    │   ├── QueueFull                more was asked for than can be answered soon
    │   ├── RateLimited              the key has had what it may have for now
    │   ├── OutOfMemory              the device has no room for a block
    │   ├── Draining                 the service is about to end
    │   ├── TooManyConnections       as many are open as the service holds
    │   └── DeadlinePassed           no answer within the time that was given
    ├── ComputeFailed                the computation raised; the log has the traceback
    ├── VerificationFailed           the answer is further off than the request tolerates
    ├── LoadError                    a file of the registry does not load; stops the start
    └── KeyFileError                 the file of keys cannot be used; stops the start

Each error carries ``code``, the word that programs branch on, ``detail``, one sentence that says what
was expected, what came and what to do, and ``fields``, the typed facts behind the sentence.
"""

from pathlib import Path
from typing import ClassVar


class JJTError(Exception):
    """Something went wrong, and this says what."""

    code: ClassVar[str] = "compute_failed"

    def __init__(
        self, detail: str, **fields: int | float | str | list[str] | list[int] | dict[str, str]
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields


class RequestError(JJTError):
    """The request cannot be answered as it stands."""


class DecodeError(RequestError):
    """The bytes of the body are not what their format says."""

    code = "decode_error"


class Unauthenticated(RequestError):
    """The service asks for a key, and none came, or none that it knows."""

    code = "unauthenticated"


class RequestTimeout(RequestError):
    """The bytes of the request did not come, or came too slowly."""

    code = "request_timeout"


class UnknownFormat(RequestError):
    """The body is in a format that this service does not read."""

    code = "unknown_format"


class UnknownEncoding(UnknownFormat):
    """The body is compressed in a way that this service does not read, or more than once."""


class NotAcceptable(RequestError):
    """The answer was asked for in a format that this service does not write."""

    code = "not_acceptable"


class BodyTooLarge(RequestError):
    """The body, or what it expands to, is larger than ``allowed_bytes``."""

    code = "body_too_large"


class UnknownFunction(RequestError):
    """The registry holds no function of that name."""

    code = "unknown_function"


class UnknownVersion(RequestError):
    """The registry holds the function, but not in that version."""

    code = "unknown_version"


class SpecMismatch(RequestError):
    """Arrays, their names or wrt do not fit what the function declares."""

    code = "spec_mismatch"


class InvalidOption(DecodeError):
    """An option is unknown, missing, given twice or out of range."""


class NotApplicable(RequestError):
    """The algorithm cannot do this function; ``auto`` moves on to another."""

    code = "not_applicable"


class AnswerTooLarge(RequestError):
    """The answer needs ``needed_bytes``, and ``allowed_bytes`` are there."""

    code = "answer_too_large"


class ServiceError(JJTError):
    """The service cannot answer now."""


class NotReady(ServiceError):
    """The service is still starting."""

    code = "not_ready"


class QueueFull(ServiceError):
    """More is asked for than can be answered soon; try again after ``retry_after_seconds``."""

    code = "queue_full"


class RateLimited(ServiceError):
    """The key has had what its ``limit`` allows; try again after ``retry_after_seconds``."""

    code = "rate_limited"


class OutOfMemory(ServiceError):
    """The device has no room for a block of the computation, not even for half of one."""

    code = "out_of_memory"


class Draining(ServiceError):
    """The service is about to end; another, or the next, can answer."""

    code = "draining"


class TooManyConnections(ServiceError):
    """As many connections are open as the service holds."""

    code = "too_many_connections"


class DeadlinePassed(ServiceError):
    """The answer was not there within the time that the request, or the service, allows."""

    code = "deadline_passed"


class ComputeFailed(JJTError):
    """The computation raised; the traceback is in the log, under the request's id."""

    code = "compute_failed"


class VerificationFailed(JJTError):
    """Recomputed entries are off by ``error``, more than ``tolerance``; the matrix is not answered."""

    code = "verification_failed"


class LoadError(JJTError):
    """A file of the registry does not load; ``path`` and ``reason`` say which and why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class KeyFileError(JJTError):
    """The file of keys cannot be used; ``path`` and ``reason`` say which and why."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
