"""Requests that are answered past the framework: its routing costs more than a small matrix.

The routes stand in the framework too, for the document of the interface and for other methods; what answers
is the same. Knows no route by name.
"""

from collections.abc import Iterable

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.failures import of_ours
from app.errors import JJTError


class Direct:
    """Wraps an application.

    Args:
        app: is handed every other request.
        routes: whose endpoints take a request and return a response; without parameters in their paths.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        found = [route for route in routes if isinstance(route, APIRoute)]
        self._routes = {(method, route.path): route for route in found for method in route.methods or ()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        request = Request(scope, receive)
        try:
            response = await route.endpoint(request)
        except JJTError as error:
            response = of_ours(request, error)
        await response(scope, receive, send)
