"""What every test may ask for: the long ones by ``--long``, and a service on a port of its own."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent.parent
PACKAGES = Path(__file__).parent / "packages"
READY = re.compile(r"is ready on (http://\S+)")
READY_SECONDS = 240.0

Serve = Callable[..., str]

settings.register_profile(
    "sampled",
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long", max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests marked long too")
    parser.addoption("--keys", action="store_true", help="run tests/e2e with keys on")
    parser.addoption("--packages", action="store_true", help="run the tests of functions of other packages")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("long" if config.getoption("--long") else "sampled")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    # Not skipped where the packages are absent: with --packages that is a failure.
    return True if collection_path == PACKAGES and not config.getoption("--packages") else None


def pytest_report_header(config: pytest.Config) -> str | None:
    if config.getoption("--packages"):
        return None
    return "tests/packages: left out, they need an environment of their own; make test-packages runs them"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if not item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=long)


def _ready(log: Path, process: subprocess.Popen[bytes]) -> str:
    """The URL that a service prints when it is ready."""
    limit = time.monotonic() + READY_SECONDS
    while time.monotonic() < limit and process.poll() is None:
        if found := READY.search(log.read_text(encoding="utf-8")):
            return found[1]
        time.sleep(0.05)
    raise RuntimeError(f"not ready after {READY_SECONDS} seconds:\n{log.read_text(encoding='utf-8')}")


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """A maker of services: ``serve(registry="a:b", log="json")`` returns the URL of one that is ready.

    Each keyword is a setting; each service is a process of its own on a free port, ended with the session.
    """
    with contextlib.ExitStack() as stack:

        def start(**options: str) -> str:
            folder = tmp_path_factory.mktemp("service")
            options = {"registry": str(ROOT / "registry"), "data": str(folder / "data")} | options
            variables = {f"JJT_{name.upper()}": value for name, value in options.items()}
            log = folder / "log"
            process = subprocess.Popen(
                [sys.executable, "-m", "app", "serve", "--port", "0"],
                cwd=ROOT,
                env=os.environ | variables,
                stdout=stack.enter_context(log.open("wb")),
                stderr=subprocess.STDOUT,
            )
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            return _ready(log, process)

        yield start
