"""Puts the house together: settings in, an ASGI application out."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

from app.api import functions, health, jjt, limits, measures, pages, plan
from app.api.direct import Direct
from app.api.doorway import Doorway
from app.api.failures import answer_failures
from app.api.gate import Gate
from app.api.house import House
from app.api.openapi import describe
from app.api.origins import Origins
from app.settings import Settings

ROUTERS = tuple(part.router for part in (jjt, functions, plan, health, limits, measures, pages))


def create_app(settings: Settings, announce: Callable[[House], None] | None = None) -> FastAPI:
    """Make the application; the registry is read here, the rest starts with the application's lifespan.

    Args:
        settings: of the team that hosts the service.
        announce: called once, when the service is ready.

    Raises:
        LoadError: for the first file of the registry that does not load.
        KeyFileError: where the file of keys cannot be used.
    """
    house = House(settings, announce)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with house.open():
            yield

    app = FastAPIOffline(  # mounts the scripts of the documentation pages, which then need no content network
        docs_url=None,
        redoc_url=None,
        static_url=pages.STATIC,
        openapi_url=pages.DOCUMENT,
        title="jjt",
        version=version("jjt"),
        summary="K = J(x1) J(x2)ᵀ of registered JAX functions, matrix-free",
        redirect_slashes=False,
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.house = house
    for router in ROUTERS:
        app.include_router(router)
    answer_failures(app)
    describe(app, keyed=house.keyring is not None)
    # Outside of all that the framework does with a request: what is answered there costs none of it. The
    # framework's own last resort, the outermost of its parts, is left out: the doorway is it.
    framework: ASGIApp = app.build_middleware_stack().app  # pyright: ignore[reportFunctionMemberAccess]
    doors: ASGIApp = Direct(framework, jjt.router.routes)
    if house.keyring is not None:
        doors = Gate(doors, house.keyring)
    doors = Doorway(doors, house)
    app.middleware_stack = Origins(doors, settings.cors_origins) if settings.cors_origins else doors
    return app
