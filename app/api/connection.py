"""A connection that bounds what a client can hold: time, bytes and sockets. Knows no routes.

What is bounded here is all that happens before a request reaches the application, and after it has been
answered: slow or endless heads, requests sent ahead, answers that nobody reads, too many connections. The
doorway bounds the bodies between.

It is Uvicorn's connection with httptools, and leans on these names of it: the callbacks of
``asyncio.Protocol`` and of httptools' parser, ``send_400_response``, ``on_response_complete``, ``shutdown``;
``cycle`` with ``more_body``, ``response_started`` and ``response_complete``; ``pipeline``, ``flow``,
``connections``, ``transport``, ``loop``, ``scope`` and ``headers``. A test asks for each of them.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import structlog
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.api.doorway import MAX_HEADER_BYTES, request_id_of
from app.api.extensions import CUT, READ, TOGETHER
from app.api.failures import CODES, STATUS, problem, written
from app.api.outlet import Outlet
from app.errors import DecodeError, RequestTimeout, TooManyConnections
from app.metrics import Metrics

HEAD_END = b"\r\n\r\n"
PIECE_BYTES = 512  # of a body in chunks that is parsed at least, at once: some dozens of requests, at worst
SHORTEST_BYTES = 14  # before the end of a head: GET / HTTP/1.1
HELD_BYTES = 64 << 10  # of requests sent ahead; the rest waits in the kernel
MAX_HEADERS = 256
# Bytes that neither end a head nor add to a body, with what separates headers; and trailers, and chunk sizes.
MAX_FRUITLESS_BYTES = 2 * MAX_HEADER_BYTES
LINGER_SECONDS = 2.0  # for a client to read the last answer, after which nothing more of it is read
LAST_SECONDS = 1.0  # at the end of the process, for a head that is on its way
log = structlog.get_logger()


@dataclass
class Limits:
    """What the connections of one server share.

    Args:
        connections: that are served at a time; as many more are told so, any beyond are dropped.
        head_seconds: from the first byte of a request's head to its last.
        stall_seconds: without a byte taken or sent.
        metrics: where connections are counted.
    """

    connections: int
    head_seconds: float
    stall_seconds: float
    metrics: Metrics
    open: int = 0
    refused: int = 0

    @property
    def tick_seconds(self) -> float:
        """Between two looks at a connection."""
        return min(1.0, self.head_seconds / 4, self.stall_seconds / 4)


def connection_class(limits: Limits) -> type["Connection"]:
    """The class that Uvicorn makes connections of."""
    return type("Connection", (Connection,), {"limits": limits})


class Connection(HttpToolsProtocol):
    """One connection, from its first byte to its last."""

    limits: ClassVar[Limits]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._outlet: Outlet = None  # pyright: ignore[reportAttributeAccessIssue] - as Uvicorn's transport
        self._admitted = False
        self._timer: asyncio.TimerHandle | None = None
        self._input, self._read = b"", 0  # what has come, and how much of it is parsed
        self._place: Literal["between", "head", "body"] = "between"  # where the parser is
        self._due: float | None = None  # when the head, or what is left of an answered request, must be there
        self._fruitless_bytes = 0
        self._rest_bytes = 0  # of a body whose length was said
        self._overlong = False
        self._refusal = b""  # the last words, once those before are said
        self._unsent_bytes, self._moved = 0, 0.0
        self._lingers: float | None = None

    @property
    def _answering(self) -> bool:
        return bool(self.pipeline) or (self.cycle is not None and not self.cycle.response_complete)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit a connection, or refuse it."""
        limits, self._outlet = self.limits, Outlet(cast("asyncio.Transport", transport))
        super().connection_made(self._outlet)  # pyright: ignore[reportArgumentType] - it does what one does
        self._admitted = limits.open < limits.connections
        if self._admitted:
            limits.open += 1
            limits.metrics.connections.set(limits.open)
        else:
            limits.refused += 1
            if limits.refused > limits.connections:
                self._outlet.cut()
                return
            detail = f"{limits.connections} connections are open; close some, or try again"
            self._refuse(STATUS[TooManyConnections], TooManyConnections.code, detail)
        self._due = self.loop.time() + limits.head_seconds
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        if self._timer:
            self._timer.cancel()
        if self._admitted:
            self.limits.open -= 1
            self.limits.metrics.connections.set(self.limits.open)
        else:
            self.limits.refused -= 1
        self._input = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; it is parsed when those before it are answered."""
        if self._outlet.is_closing() or self._refusal:
            return
        self._input, self._read = self._input[self._read :] + data if self._input else data, 0
        self._read_on()

    def _read_on(self) -> None:
        while self._input and not (self.pipeline or self._refusal or self._outlet.is_closing()):
            found = self._input.find(HEAD_END, self._read + self._least_bytes)
            end = len(self._input) if found < 0 else found + len(HEAD_END)
            piece = self._input[self._read : end]
            self._read = end
            if end == len(self._input):
                self._input, self._read = b"", 0
            self._parse(piece)
        self._outlet.hold(len(self._input) - self._read > HELD_BYTES)

    @property
    def _least_bytes(self) -> int:
        """How much of the input ends no request, or few; the end of one is looked for after it."""
        if self._place != "body":
            return SHORTEST_BYTES
        return self._rest_bytes or PIECE_BYTES

    def _parse(self, piece: bytes) -> None:
        if self._place == "between":
            self._begin_head()
        self._fruitless_bytes += len(piece)
        super().data_received(piece)
        if self._fruitless_bytes > MAX_FRUITLESS_BYTES:
            self._refuse_overlong()

    def _begin_head(self) -> None:
        self._place, self._due = "head", self.loop.time() + self.limits.head_seconds

    def on_message_begin(self) -> None:
        """Begin a request, of which the application can cut the connection."""
        super().on_message_begin()
        if self._place == "between":
            self._begin_head()
        cast("Scope", self.scope)["extensions"] = {CUT: self.cut, TOGETHER: self._outlet.join}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those that come after the body are dropped."""
        if self._place == "body":
            return
        if len(self.headers) >= MAX_HEADERS:
            self._overlong = True
            raise ValueError("too many headers")  # the parser stops, and Uvicorn sends a 400, as it thinks
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand a request on."""
        self._place, self._due, self._fruitless_bytes = "body", None, 0
        lengths = [int(value) for name, value in self.headers if name == b"content-length"]
        self._rest_bytes = sum(lengths)  # there is one at most, of digits: the parser sees to that
        super().on_headers_complete()
        cycle = self.cycle
        cast("Scope", self.scope)["extensions"][READ] = lambda: not cycle.more_body
        if self.pipeline:
            self.flow.resume_reading()  # what is read now is held, and a client that leaves is noticed

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._fruitless_bytes = 0
        self._rest_bytes = max(0, self._rest_bytes - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._place, self._due, self._fruitless_bytes = "between", None, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        self._outlet.flush()
        super().on_response_complete()
        if self._refusal and not self._answering:
            self._say_refusal()
            return
        if self._place != "between":
            limits = self.limits
            seconds = limits.head_seconds if self._place == "head" else limits.stall_seconds
            self._due = self.loop.time() + seconds
        self._read_on()

    def resume_writing(self) -> None:
        """Note that the client has read something."""
        self._moved = self.loop.time()
        super().resume_writing()

    def shutdown(self) -> None:
        """End with what is under way; a head that is on its way is waited for, and then answered."""
        if self._answering or self._outlet.is_closing():
            super().shutdown()
        elif self._place == "head" or self.cycle is None:
            self._due = min(self._due or 0.0, self.loop.time() + LAST_SECONDS)
        else:
            self._outlet.finish()

    def cut(self) -> None:
        """Reset the connection; what is buffered is dropped."""
        self._outlet.cut()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in the form of all other refusals."""
        if self._overlong:
            self._refuse_overlong()
        else:
            detail = f"the head or the length of the body is not what HTTP/1.1 says: {msg}"
            self._refuse(STATUS[DecodeError], DecodeError.code, detail)

    def _refuse_overlong(self) -> None:
        most = f"{MAX_HEADER_BYTES} bytes and {MAX_HEADERS} headers"
        self._refuse(
            431, CODES[431], f"the head, or the trailers, are over {most}; send fewer or shorter ones"
        )

    def _refuse(self, status: int, code: str, detail: str) -> None:
        if self._refusal or self._outlet.is_closing():
            return
        request_id = request_id_of(cast("Scope", self.scope or {"headers": []}))
        log.info("connection refused", request_id=request_id, status=status, code=code)
        self.limits.metrics.refused_connections.labels(code).inc()
        self._refusal = written(problem(status, code, detail, request_id), request_id)
        self._input = b""
        if not self._answering or (not self.pipeline and self.cycle.more_body):
            self._say_refusal()

    def _say_refusal(self) -> None:
        if not (self._answering and self.cycle.response_started):  # else half an answer stands there
            self._outlet.write(self._refusal)
        self._outlet.close()

    def _watch(self) -> None:
        limits, now = self.limits, self.loop.time()
        self._timer = self.loop.call_later(limits.tick_seconds, self._watch)
        unsent = self._outlet.unsent_bytes
        if unsent < self._unsent_bytes or not self._unsent_bytes:
            self._moved = now
        self._unsent_bytes = unsent
        if unsent and now - self._moved >= limits.stall_seconds:
            limits.metrics.refused_connections.labels("unread").inc()
            self._outlet.cut()
        elif self._outlet.is_closing():
            self._lingers = self._lingers or now + LINGER_SECONDS
            if not unsent and now >= self._lingers:
                self._outlet.finish()
        elif self._due and now >= self._due and not self._answering:
            if self._place == "body":  # of a request that has its answer
                self._outlet.finish()
            else:
                detail = f"no complete head came within {limits.head_seconds} seconds; send it at once"
                self._refuse(STATUS[RequestTimeout], RequestTimeout.code, detail)
