"""``Request`` -> httpx's, httpx's answers and errors -> ours: what both clients share. Sends nothing."""

import os
import re
from collections.abc import Mapping

import httpx

from jjt_client.errors import ConnectionFailed, JJTError, Stage, TimedOut, UnexpectedAnswer
from jjt_client.messages import Answer, Request

Timeout = float | httpx.Timeout | None
# Longer than the service's own limit, so that its answer comes first and says what happened.
TIMEOUT = httpx.Timeout(310.0, connect=10.0)
DEADLINE_MARGIN_SECONDS = 5.0
KEY_VARIABLE = "JJT_KEY"
KEY = re.compile(r"[!-~]+")
# Shorter than servers keep idle connections, so that few are found closed.
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=4.0)


def checked_url(base_url: str) -> httpx.URL:
    """The service's URL.

    Raises:
        ValueError: unless it is one of http or https with a host.
    """
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ValueError(f"base_url {base_url!r}: {error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"base_url {base_url!r} is not a URL such as http://localhost:8000")
    return url


def key_headers(api_key: str | None = None) -> dict[str, str]:
    """The header that brings a key.

    Args:
        api_key: None for the one in the variable ``JJT_KEY``.

    Returns:
        Nothing where there is no key.

    Raises:
        ValueError: for one that no header can bring; the key is not repeated.
    """
    key = os.environ.get(KEY_VARIABLE, "") if api_key is None else api_key
    if not key:
        return {}
    if not KEY.fullmatch(key):
        raise ValueError("the api_key is not one word of printable ASCII; is a line break at its end?")
    return {"Authorization": f"Bearer {key}"}


def headers_of(api_key: str | None, headers: Mapping[str, str] | None) -> httpx.Headers:
    """What each request is sent with: the key, and headers of the caller's own, which come first."""
    return httpx.Headers({**httpx.Headers(key_headers(api_key)), **httpx.Headers(headers)})


def to_httpx(client: httpx.Client | httpx.AsyncClient, request: Request) -> httpx.Request:
    """The request as httpx sends it; with a deadline, the patience to read ends just after it."""
    timeout = client.timeout
    if request.deadline_seconds is not None:
        read = request.deadline_seconds + DEADLINE_MARGIN_SECONDS
        timeout = httpx.Timeout(connect=timeout.connect, read=read, write=timeout.write, pool=timeout.pool)
    return client.build_request(
        request.method,
        request.path,
        params=request.options or None,
        headers=dict(request.headers),
        content=request.body or None,
        timeout=timeout,
    )


def to_answer(response: httpx.Response) -> Answer:
    """The answer, once its body was read."""
    return Answer(response.status_code, dict(response.headers), response.content)


def to_error(error: httpx.RequestError, *, begun: bool) -> JJTError:
    """The error of ours that one of httpx stands for; ``begun``: the head of an answer was there."""
    url = error.request.url
    place = f"{url.scheme}://{url.netloc.decode('ascii')}{url.path}"  # without a password, if it has one
    what = f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, httpx.DecodingError):
        return UnexpectedAnswer(f"{place}: the answer cannot be unpacked: {what}")
    stage = _stage(error, begun=begun)
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(f"{place}: no answer in time, while {stage}: {what}", stage=stage)
    return ConnectionFailed(f"{place}: the connection failed, while {stage}: {what}", stage=stage)


def _stage(error: httpx.RequestError, *, begun: bool) -> Stage:
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)):
        return "connecting"
    return "reading" if begun else "waiting"
