"""A response whose head and body are bytes already: nothing is left to be done but to send it."""

from collections.abc import Callable, Sequence
from http import HTTPStatus

from fastapi import Response
from starlette.types import Receive, Scope, Send

from app.api.awaiting import INLINE_BYTES
from app.api.extensions import TOGETHER

RawHeaders = Sequence[tuple[bytes, bytes]]


class Written(Response):
    """An answer of what was asked for.

    Args:
        content: the body.
        raw_headers: all of them, the names in lower case; the length of the content among them.
        sent: called when it was sent: what its client need not wait for.
    """

    def __init__(
        self, content: bytes, raw_headers: RawHeaders, sent: Callable[[], None] = lambda: None
    ) -> None:
        self.status_code = HTTPStatus.OK  # what the framework's own beginning does, but for the headers
        self.background = None
        self.body = content
        self.raw_headers = list(raw_headers)
        self._sent = sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it."""
        if len(self.body) <= INLINE_BYTES:  # joining it to the head costs less than a second piece does
            scope.get("extensions", {}).get(TOGETHER, bool)()
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})
        self._sent()
