"""A real service with the seed's function, and a registry for services of a test's own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.keyed import keys_on
from tests.e2e.server import Server, registry_of, serving


@pytest.fixture(scope="session", autouse=True)
def keys(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """With ``--keys``: every service asks for keys, and every client has one."""
    if request.config.getoption("--keys"):
        with keys_on(tmp_path_factory.mktemp("keys")):
            yield
    else:
        yield


@pytest.fixture(scope="session")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with ``sqrt_mean``, and a body limit of 2 MB."""
    folder = tmp_path_factory.mktemp("seed")
    registry = registry_of(folder, "two_waves")
    shutil.copy(ROOT / "registry" / "sqrt_mean.py", registry)
    with serving(folder, registry, reload=False, max_body_bytes=2_000_000) as server:
        yield server


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A registry folder of the test's own, with ``two_waves``."""
    return registry_of(tmp_path, "two_waves")
