"""Requests that are answered past the framework: its routing costs more than a small matrix.

The routes stand in the framework too, for the document of the interface and for other methods; what answers
is the same. Knows no route by name.
"""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.failures import of_ours
from app.errors import JJTError

Endpoint = Callable[[Request], Awaitable[Response]]


class Direct:
    """Wraps an application.

    Args:
        app: is handed every other request.
        endpoints: of POST requests, by path.
    """

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Endpoint]) -> None:
        self._app = app
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        endpoint = self._endpoints.get(scope["path"]) if scope["type"] == "http" else None
        if endpoint is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["jjt.route"] = scope["path"]
        request = Request(scope, receive)
        try:
            response = await endpoint(request)
        except JJTError as error:
            response = of_ours(request, error)
        await response(scope, receive, send)
