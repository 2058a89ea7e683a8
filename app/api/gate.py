"""The gate behind the doorway, where keys are asked for: who has none gets no further, and no body is read.

As plain ASGI, and not there where no keys are asked for. It names the client in the scope, for the scheduler
and the log, and counts the bytes that come and go. The secret is looked at here, and handed on to nobody.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.clients import CLIENT
from app.api.failures import problem, status_of
from app.api.keyring import Keyring, Meter
from app.api.openapi import OPEN as HEALTH
from app.api.pages import DOCUMENT, PAGES, STATIC
from app.errors import JJTError, Unauthenticated
from app.keys import Holder

# Health checks have no key. A browser that opens a page cannot send one: the page is where it is put in, and
# neither it nor the document says more than the source does.
OPEN = frozenset({*HEALTH, DOCUMENT, *PAGES})
_PIECE_BYTES = 1 << 20
_SCHEME = b"bearer "
_BODY = frozenset({b"content-length", b"transfer-encoding"})


class Gate:
    """Wraps an application.

    Args:
        app: is handed what is let in.
        keyring: knows who is.
    """

    def __init__(self, app: ASGIApp, keyring: Keyring) -> None:
        self._app = app
        self._keyring = keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            holder, meter = self._keyring.admit(secret_of(scope))
        except JJTError as error:
            await _refuse(error, scope, receive, send)
            return
        scope[CLIENT] = scope["jjt.said"]["key"] = holder.name
        counted = _Counted(receive, send, holder, meter)
        try:
            await self._app(scope, counted.receive, counted.send)
        finally:
            counted.tell()


class _Counted:
    """The bytes of one request and of its answer; told in large pieces, and what is left in the end."""

    __slots__ = ("_allowance", "_meter", "_nbytes", "_receive", "_send")

    def __init__(self, receive: Receive, send: Send, holder: Holder, meter: Meter) -> None:
        self._receive = receive
        self._send = send
        self._allowance = holder.allowance
        self._meter = meter
        self._nbytes = 0

    async def receive(self) -> Message:
        message = await self._receive()
        if body := message.get("body"):
            self._nbytes += len(body)
            if self._nbytes >= _PIECE_BYTES:
                self.tell()
        return message

    async def send(self, message: Message) -> None:
        await self._send(message)
        if body := message.get("body"):
            self._nbytes += len(body)
            if self._nbytes >= _PIECE_BYTES:
                self.tell()

    def tell(self) -> None:
        nbytes, self._nbytes = self._nbytes, 0
        if nbytes:
            self._meter.bytes.inc(nbytes)
            self._allowance.spend("bytes", nbytes)


def is_open(path: str) -> bool:
    """Whether a path is answered without a key."""
    return path in OPEN or path.startswith(STATIC + "/")


def secret_of(scope: Scope) -> bytes | None:
    """The secret that a request brought in its one ``Authorization: Bearer``; None without."""
    given = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if given is not None:
                return None
            given = value
    if given is None or given[: len(_SCHEME)].lower() != _SCHEME:
        return None
    return given[len(_SCHEME) :].strip() or None


async def _refuse(error: JJTError, scope: Scope, receive: Receive, send: Send) -> None:
    headers: dict[str, str] = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
        if any(name in _BODY for name, _ in scope["headers"]):
            headers["Connection"] = "close"  # else it would be read, to find the next request after it
    response = problem(
        status_of(error), error.code, error.detail, scope["jjt.request_id"], error.fields, headers
    )
    await response(scope, receive, send)
