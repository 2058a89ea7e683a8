"""The doorway that every request passes, as plain ASGI: its id, its log line, its counts, its last resort.

Knows nothing of routes. HEAD is answered here, as GET without a body, so that no route needs to.
"""

import re
import uuid
from time import perf_counter

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.failures import CODES, problem
from app.errors import ComputeFailed
from app.metrics import METHODS, UNKNOWN, Metrics, bounded

REQUEST_ID = re.compile(rb"[!-~]{1,128}")
MAX_HEADER_BYTES = 64 << 10
CLIENT_LEFT = 499  # in the log and in the metrics only: nobody is there to read it
QUIET = frozenset({"/livez", "/readyz", "/metrics"})  # asked every few seconds; logged when they fail
EXPECTED = frozenset({200, 503})  # of a quiet route: a service that starts says 503 until it is ready
log = structlog.get_logger()


class Doorway:
    """Wraps an application; ``metrics`` is where its requests are counted."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, and see to it that it is answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = _Visit(scope, send)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=visit.request_id)
        with self._metrics.in_flight.track_inprogress():
            await self._answer(visit, receive)
        self._record(visit)

    async def _answer(self, visit: "_Visit", receive: Receive) -> None:
        try:
            if _head_bytes(visit.scope) > MAX_HEADER_BYTES:
                detail = f"target and headers are over {MAX_HEADER_BYTES} bytes; send fewer or shorter ones"
                response = problem(431, CODES[431], detail, visit.request_id)
                await response(visit.scope, receive, visit.send)
            else:
                await self._app(visit.scope, receive, visit.send)
        except ClientDisconnect:
            visit.status = CLIENT_LEFT
        except Exception:
            log.exception("a route raised")
            if visit.status:
                raise  # half an answer went out: only a broken connection tells the client so
            detail = "something that nobody expected; the log has the traceback under this request_id"
            response = problem(500, ComputeFailed.code, detail, visit.request_id)
            await response(visit.scope, receive, visit.send)

    def _record(self, visit: "_Visit") -> None:
        scope, seconds = visit.scope, perf_counter() - visit.began
        route = getattr(scope.get("route"), "path", "") or UNKNOWN
        self._metrics.requests.labels(route, bounded(visit.method, METHODS), str(visit.status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        if route in QUIET and visit.status in EXPECTED:
            return
        log.info(
            "request",
            method=visit.method,
            path=scope["path"],
            status=visit.status,
            ms=round(seconds * 1e3, 3),
            **scope["jjt.said"],
        )


class _Visit:
    """One request on its way through: what it is called, and what was answered so far.

    ``scope["jjt.said"]`` is a dict in which routes leave what the log line should say beside.
    """

    def __init__(self, scope: Scope, send: Send) -> None:
        self.method: str = scope["method"]
        self.request_id = _request_id(scope)
        self.scope = {**scope, "jjt.request_id": self.request_id, "jjt.said": {}}
        if self.method == "HEAD":
            self.scope["method"] = "GET"
        self.began = perf_counter()
        self.status = 0
        self._send = send

    async def send(self, message: Message) -> None:
        """Send a message on, with the id in the head and without a body for HEAD."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", []), (b"x-request-id", self.request_id.encode())]
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body" and self.method == "HEAD":
            message = {**message, "body": b""}
        await self._send(message)


def _request_id(scope: Scope) -> str:
    given = [value for name, value in scope["headers"] if name == b"x-request-id"]
    if len(given) == 1 and REQUEST_ID.fullmatch(given[0]):
        return given[0].decode("ascii")
    return uuid.uuid4().hex


def _head_bytes(scope: Scope) -> int:
    target = len(scope.get("raw_path") or b"") + len(scope.get("query_string", b""))
    return target + sum(len(name) + len(value) for name, value in scope["headers"])
