"""CORS: which pages may ask from a browser, and which headers they may read. Only there where it is set."""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from app.api.doorway import request_id_of
from app.api.failures import problem
from app.api.openapi import JJT_HEADERS
from app.errors import DecodeError

METHODS = ("GET", "HEAD", "POST")
SENT = ("Authorization", "Content-Encoding", "If-None-Match", "JJT-Deadline", "X-Request-Id", "traceparent")
READ = ("X-Request-Id", *JJT_HEADERS, "Retry-After", "ETag", "WWW-Authenticate")


class Origins(CORSMiddleware):
    """Starlette's, but that answers to preflights have an id, and refusals are problems like all others.

    Args:
        app: is handed every other request. It stands outside of the doorway, so that a page can read what
            is refused there, and of the gate, as browsers send no key with a preflight.
        origins: that may ask; ``*`` for all.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        super().__init__(
            app, allow_origins=origins, allow_methods=METHODS, allow_headers=SENT, expose_headers=READ
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Say what a page may do."""
        request_id = request_id_of({"headers": request_headers.raw})
        answer = super().preflight_response(request_headers)
        if answer.status_code != 200:
            why = bytes(answer.body).decode().removeprefix("Disallowed CORS ")
            detail = f"a page may not ask so ({why}); JJT_CORS_ORIGINS names the origins that may"
            vary = {"Vary": answer.headers["Vary"]}
            answer = problem(400, DecodeError.code, detail, request_id, headers=vary)
        answer.headers["X-Request-Id"] = request_id
        return answer
