"""A service inside the test's own process, without a socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI

from app.api import create_app
from app.settings import Settings

FUNCTIONS = Path(__file__).parent.parent / "e2e" / "functions"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quick functions of the end-to-end registry."""
    folder = tmp_path_factory.mktemp("registry")
    for name in ("two_waves.py", "treacherous.py"):
        (folder / name).write_text((FUNCTIONS / name).read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def settings_for(registry: Path, **more: Any) -> Settings:
    options: dict[str, Any] = {"data": registry.parent / "data", "reload": False, **more}
    return Settings(registry=(registry,), **options)


def client_of(app: FastAPI) -> httpx.AsyncClient:
    # As a server does, the transport answers what the application sent, whatever it raised afterwards.
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """An application between its start and its end, ready, and a client of it."""
    app = create_app(settings)
    async with app.router.lifespan_context(app), client_of(app) as client:
        with anyio.fail_after(90):
            while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - asked as clients ask
                await anyio.sleep(0.02)
        yield app, client


@pytest.fixture(scope="session")
async def service(anyio_backend: str, registry: Path) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    settings = settings_for(registry, max_body_bytes=200_000, max_answer_bytes=1 << 20)
    async with opened(settings) as pair:
        yield pair


@pytest.fixture
def client(service: tuple[FastAPI, httpx.AsyncClient]) -> httpx.AsyncClient:
    return service[1]
