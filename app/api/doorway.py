"""The doorway that every request passes, as plain ASGI: its id, its log line, its counts, its last resort.

Knows nothing of routes. HEAD is answered here, as GET without a body, so that no route needs to.
"""

import asyncio
import re
import secrets
from time import perf_counter

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.draining import Drain
from app.api.extensions import CUT, READ
from app.api.failures import CODES, STATUS, problem
from app.api.house import House
from app.api.logs import NAMES, log_request
from app.api.safety import safe_headers
from app.api.trace_context import TraceContext, context_of
from app.api.tracing import ANSWERED, Record
from app.errors import ComputeFailed, Draining, RequestTimeout
from app.metrics import METHODS, UNKNOWN, bounded

FIT_ID = re.compile(rb"[!-~]{1,128}")
MAX_HEADER_BYTES = 64 << 10
MIN_BYTES_PER_SECOND = 4 << 10  # of a body, beside the seconds that it may stall
CLIENT_LEFT = 499  # in the log and in the metrics only: nobody is there to read it
QUIET = frozenset({"/livez", "/readyz", "/metrics"})  # asked every few seconds; logged when they fail
EXPECTED = frozenset({200, 503})  # of a quiet route: a service that starts says 503 until it is ready
log = structlog.get_logger()


class Doorway:
    """Wraps an application.

    Args:
        app: is handed every request.
        house: where requests are counted, and drained.
    """

    def __init__(self, app: ASGIApp, house: House) -> None:
        self._app = app
        house.metrics.in_flight.set_function(lambda: house.draining.under_way)
        self._metrics = house.metrics
        self._draining = house.draining
        self._stall_seconds = house.settings.stall_seconds
        self._tracing = house.tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, and see to it that it is answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = _Visit(scope, receive, send, self._stall_seconds, self._draining)
        names = {"request_id": visit.request_id}
        if self._tracing is not None:
            visit.trace = context_of(scope["headers"])
            names["trace_id"] = visit.trace.trace_id
        NAMES.set(names)
        await self._answer(visit)
        self._record(visit)

    async def _answer(self, visit: "_Visit") -> None:
        try:
            if _head_bytes(visit.scope) > MAX_HEADER_BYTES:
                detail = f"target and headers are over {MAX_HEADER_BYTES} bytes; send fewer or shorter ones"
                response = problem(431, CODES[431], detail, visit.request_id)
                await response(visit.scope, visit.receive, visit.send)
            elif self._draining.begun and visit.scope["path"] not in QUIET:
                await self._answer_drained(visit)
            else:
                task = self._draining.enter()
                try:
                    await self._app(visit.scope, visit.receive, visit.send)
                finally:
                    self._draining.leave(task)
        except asyncio.CancelledError:
            if not self._draining.ended:
                raise
            await self._answer_drained(visit)
        except ClientDisconnect:
            visit.status = CLIENT_LEFT
        except Exception:
            log.exception("a route raised")
            if visit.status:
                raise  # half an answer went out: only a broken connection tells the client so
            detail = "something that nobody expected; the log has the traceback under this request_id"
            response = problem(500, ComputeFailed.code, detail, visit.request_id)
            await response(visit.scope, visit.receive, visit.send)

    async def _answer_drained(self, visit: "_Visit") -> None:
        if visit.status:  # half an answer went out
            visit.scope.get("extensions", {}).get(CUT, bool)()
            await asyncio.sleep(0)
            return
        detail = "the service is about to end; ask another, or this one again when it is started anew"
        response = problem(STATUS[Draining], Draining.code, detail, visit.request_id)
        await response(visit.scope, visit.receive, visit.send)

    def _record(self, visit: "_Visit") -> None:
        scope, seconds = visit.scope, perf_counter() - visit.began
        route = getattr(scope.get("route"), "path", "") or UNKNOWN
        self._metrics.requests.labels(route, bounded(visit.method, METHODS), str(visit.status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        if route in QUIET and visit.status in EXPECTED:
            return
        said = {
            "method": visit.method,
            "path": scope["path"],
            "status": visit.status,
            "ms": round(seconds * 1e3, 3),
        }
        log_request(said | scope["jjt.said"])
        if self._tracing is not None and visit.trace is not None:
            self._tracing.record(visit.traced(visit.trace, route, visit.began + seconds))


class _Visit:
    """One request on its way through: what it is called, and what was answered so far.

    ``scope["jjt.said"]`` is a dict in which routes leave what the log line should say beside.
    """

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, stall_seconds: float, draining: Drain
    ) -> None:
        self.method: str = scope["method"]
        self.request_id = request_id_of(scope)
        self.scope = {**scope, "jjt.request_id": self.request_id, "jjt.said": {}}
        if self.method == "HEAD":
            self.scope["method"] = "GET"
        self.began = perf_counter()
        self.trace: TraceContext | None = None
        self.status = 0
        self._receive = receive
        self._send = send
        self._stall_seconds = stall_seconds
        self._draining = draining
        self._body_began: float | None = None
        self._body_bytes = 0
        self._whole = False
        self._is_read = scope.get("extensions", {}).get(READ, bool)

    async def receive(self) -> Message:
        """Await the next part of the body; once it is whole, that the client leaves.

        Raises:
            RequestTimeout: if nothing came for ``stall_seconds``, or too little since the beginning.
        """
        if self._whole:
            return await self._receive()
        # Nothing is waited for, mostly, and a timer costs as much as the rest of this.
        message = await (self._receive() if self._is_read() else self._receive_in_time())
        self._body_bytes += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        return message

    async def _receive_in_time(self) -> Message:
        try:
            async with asyncio.timeout_at(self._due()):
                return await self._receive()
        except TimeoutError:
            raise RequestTimeout(
                f"no more of the body came for {self._stall_seconds} seconds, or it came slower than "
                f"{MIN_BYTES_PER_SECOND} bytes a second; send it at once",
                received_bytes=self._body_bytes,
            ) from None

    async def send(self, message: Message) -> None:
        """Send a message on, with the id in the head and without a body for HEAD."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [
                *message.get("headers", []),
                *safe_headers(self.scope["path"]),
                (b"x-request-id", self.request_id.encode()),
            ]
            if self.status == STATUS[RequestTimeout] or self._draining.begun:
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body" and self.method == "HEAD":
            message = {**message, "body": b""}
        await self._send(message)

    def traced(self, trace: TraceContext, route: str, ended: float) -> Record:
        """What is told of it to whoever makes spans."""
        scope = self.scope
        method = bounded(self.method, METHODS)
        answered = scope.get(ANSWERED)
        whole = (self.status, self.began, ended, self.request_id, scope["jjt.said"], answered)
        return Record(trace, method, route, scope["path"], scope["scheme"], *whole)

    def _due(self) -> float:
        """When the next part of the body must be there, on the clock of the loop."""
        now = asyncio.get_running_loop().time()
        began = self._body_began = self._body_began or now
        return self._stall_seconds + min(now, began + self._body_bytes / MIN_BYTES_PER_SECOND)


def request_id_of(scope: Scope) -> str:
    """The id that a request brought, if it is fit to be taken over; else a new one."""
    given = [value for name, value in scope["headers"] if name == b"x-request-id"]
    if len(given) == 1 and FIT_ID.fullmatch(given[0]):
        return given[0].decode("ascii")
    return secrets.token_hex(16)


def _head_bytes(scope: Scope) -> int:
    target = len(scope.get("raw_path") or b"") + len(scope.get("query_string", b""))
    return target + sum(len(name) + len(value) for name, value in scope["headers"])
