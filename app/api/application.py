"""Puts the house together: settings in, an ASGI application out."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from app.api import functions, health, jjt, limits, measures, plan
from app.api.direct import Direct
from app.api.doorway import Doorway
from app.api.failures import answer_failures
from app.api.house import House
from app.api.openapi import describe
from app.settings import Settings

ROUTERS = (jjt.router, functions.router, plan.router, health.router, limits.router, measures.router)


def create_app(settings: Settings, announce: Callable[[House], None] | None = None) -> FastAPI:
    """Make the application; the registry is read here, the rest starts with the application's lifespan.

    Args:
        settings: of the team that hosts the service.
        announce: called once, when the service is ready.

    Raises:
        LoadError: for the first file of the registry that does not load.
    """
    house = House(settings, announce)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with house.open():
            yield

    app = FastAPIOffline(  # the documentation pages with their scripts, from no content network
        title="jjt",
        version=version("jjt"),
        summary="K = J(x1) J(x2)ᵀ of registered JAX functions, matrix-free",
        redirect_slashes=False,
        lifespan=lifespan,
        swagger_ui_parameters={"validatorUrl": None},
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.house = house
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(Direct, endpoints={"/jjt": jjt.jjt})
    app.add_middleware(Doorway, house=house)
    answer_failures(app)
    describe(app)
    return app
