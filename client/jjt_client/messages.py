"""What a caller asks -> a ``Request``, all bytes; an answer's bytes -> what it says, or an error. No I/O."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import quote

from jjt_client.compression import Coding, compressed, headers_of, require
from jjt_client.errors import InvalidInput, JJTError, UnexpectedAnswer, error_of
from jjt_client.matrix import Matrix, facts_of
from jjt_client.npy import MEDIA_TYPE as NPY
from jjt_client.npy import read_npy
from jjt_client.replies import FunctionLine, Ready
from jjt_client.safetensors import MEDIA_TYPE as SAFETENSORS
from jjt_client.safetensors import write_safetensors
from jjt_client.trees import named_arrays

JSON = "application/json"
Precision = Literal["highest", "high", "default"]


@dataclass(frozen=True)
class Request:
    """One request, ready to be sent.

    Args:
        method: ``GET`` or ``POST``.
        path: below the service's own URL, percent-encoded.
        options: of the query, in order.
        headers: beside those that any request has.
        body: the whole of it.
        deadline_seconds: time that the service is given; None for its own limit.
    """

    method: Literal["GET", "POST"]
    path: str
    options: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=lambda: {"Accept": JSON})
    body: bytes = field(default=b"", repr=False)
    deadline_seconds: float | None = None


FUNCTIONS = Request("GET", "/functions")
LIMITS = Request("GET", "/limits")
READY = Request("GET", "/readyz")


@dataclass(frozen=True)
class Answer:
    """One answer, whole; ``headers`` are by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def build_request(
    function: str,
    x1: Any,
    x2: Any = None,
    *,
    wrt: str | None = None,
    algorithm: str | None = None,
    precision: Precision | None = None,
    deadline_seconds: float | None = None,
    verify: int | None = None,
    verify_tolerance: float | None = None,
    compress: Coding | None = None,
) -> Request:
    """Ask for a matrix; the arguments are those of ``Client.jjt`` and, for ``compress``, of ``Client``.

    Raises:
        InvalidInput: for inputs that cannot be sent.
        ValueError: for a ``compress`` that is not known.
        ImportError: for zstd without ``zstandard``.
    """
    require(compress)
    if deadline_seconds is not None and not 0 < deadline_seconds < math.inf:
        raise InvalidInput(f"deadline_seconds is {deadline_seconds!r}, expected a number above 0")
    arrays = named_arrays("x1", x1)
    if x2 is not None:
        arrays |= named_arrays("x2", x2)
    options = {
        "function": function,
        "wrt": wrt,
        "algorithm": algorithm,
        "precision": precision,
        "deadline_seconds": deadline_seconds,
        "verify": verify,
        "verify_tolerance": verify_tolerance,
    }
    body = write_safetensors(arrays)
    return Request(
        "POST",
        "/jjt",
        tuple((name, str(value)) for name, value in options.items() if value is not None),
        {"Accept": NPY, "Content-Type": SAFETENSORS, **headers_of(compress)},
        body if compress is None else compressed(body, compress),
        deadline_seconds,
    )


def read_response(status: int, headers: Mapping[str, str], body: bytes, wrt: str | None = None) -> Matrix:
    """Read the answer to ``build_request``.

    Args:
        status: of the answer.
        headers: by name, in any case.
        body: the whole of it.
        wrt: the variable, as it was asked for; the answer does not say it.

    Raises:
        JJTError: the class that the answer stands for; ``UnexpectedAnswer`` for one that is no ``.npy`` file.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    return read_matrix(Answer(status, lowered, body), wrt)


def read_matrix(answer: Answer, wrt: str | None = None) -> Matrix:
    """As ``read_response``, from an ``Answer``."""
    _require(answer, NPY)
    try:
        array = read_npy(answer.body)
    except ValueError as error:
        raise _unexpected(answer, f"the answer is not the .npy file that it says it is: {error}") from None
    return Matrix(array, facts_of(answer.headers, wrt))


def build_plan(
    function: str,
    n1: int,
    n2: int | None = None,
    *,
    wrt: str | None = None,
    algorithm: str | None = None,
    precision: Precision | None = None,
    memory_bytes: int | None = None,
) -> Request:
    """Ask what a matrix would cost; the arguments are those of ``Client.plan``."""
    asked = {
        "function": function,
        "n1": n1,
        "n2": n2,
        "wrt": wrt,
        "algorithm": algorithm,
        "precision": precision,
        "memory_bytes": memory_bytes,
    }
    body = json.dumps({name: value for name, value in asked.items() if value is not None}).encode()
    return Request("POST", "/plan", headers={"Accept": JSON, "Content-Type": JSON}, body=body)


def build_function(name: str) -> Request:
    """Ask for all that is known of one function, by ``name`` or ``name@version``."""
    return Request("GET", f"/functions/{quote(name, safe='')}")


def read_json(answer: Answer) -> Any:
    """Read an answer in JSON.

    Raises:
        JJTError: the class that the answer stands for.
    """
    _require(answer, JSON)
    return _parsed(answer)


def read_functions(answer: Answer) -> list[FunctionLine]:
    """Read the answer of ``/functions``.

    Raises:
        JJTError: the class that the answer stands for.
    """
    found = read_json(answer)
    if not isinstance(found, dict) or "functions" not in found:
        raise _unexpected(answer, "the answer has no functions; perhaps this is another service")
    return found["functions"]


def read_ready(answer: Answer) -> Ready:
    """Read the answer of ``/readyz``, whose 503 says what is missing and is no error.

    Raises:
        JJTError: the class that any other answer stands for.
    """
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE and _media_type(answer) == JSON:
        return _parsed(answer)
    return read_json(answer)


def _parsed(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        raise _unexpected(answer, "the answer is not the JSON that it says it is") from None


def _require(answer: Answer, media_type: str) -> None:
    if answer.status != HTTPStatus.OK:
        raise error_of(answer.status, answer.headers, answer.body)
    if _media_type(answer) != media_type:
        found = answer.headers.get("content-type", "without a Content-Type")
        raise _unexpected(answer, f"expected an answer in {media_type}, got one {found}")


def _media_type(answer: Answer) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def _unexpected(answer: Answer, detail: str) -> JJTError:
    request_id = answer.headers.get("x-request-id", "")
    return UnexpectedAnswer(detail, status=answer.status, request_id=request_id)
