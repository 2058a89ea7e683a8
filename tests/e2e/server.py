"""A real ``python -m app serve`` on a free port: started, asked whether it is ready, ended."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.conftest import ROOT

READY_SECONDS = 90.0
FUNCTIONS = Path(__file__).parent / "functions"


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(holds: Callable[[], object], seconds: float = 20) -> None:
    """Wait for what comes about soon, or fail."""
    limit = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < limit, "it did not come about in time"
        time.sleep(0.05)


class Server:
    """A process that serves some folders; its settings are keywords, as in ``JJT_…``.

    Args:
        folder: for its data and its log.
        registry: folders of functions.
        settings: any other setting.
    """

    def __init__(self, folder: Path, *registry: Path, **settings: object) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "log"
        options = {
            "registry": ":".join(map(str, registry)),
            "data": folder / "data",
            "log": "json",
        } | settings
        variables = {f"JJT_{name.upper()}": str(value) for name, value in options.items()}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app", "serve", "--port", str(self.port)],
                cwd=ROOT,
                env=os.environ | variables,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> str:
        """All that it has printed so far."""
        return self._log.read_text(encoding="utf-8")

    def answers(self, path: str) -> bool:
        """Whether a GET of a path is answered with 200 now."""
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError),
            urllib.request.urlopen(self.url + path, timeout=5) as answer,
        ):
            return answer.status == 200
        return False

    def await_answer(self, path: str = "/readyz") -> "Server":
        """Wait until a path is answered with 200; by default until the service is ready."""
        limit = time.monotonic() + READY_SECONDS
        while not self.answers(path):
            if self.process.poll() is not None:
                raise RuntimeError(f"the service ended with {self.process.returncode}:\n{self.log}")
            if time.monotonic() > limit:
                raise TimeoutError(f"no 200 from {path} after {READY_SECONDS} seconds:\n{self.log}")
            time.sleep(0.05)
        return self

    def end(self, number: int = signal.SIGTERM, seconds: float = 40) -> int:
        """Send a signal, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise


def registry_of(folder: Path, *names: str) -> Path:
    """A registry folder below another, with some of the functions that stand beside this file."""
    registry = folder / "registry"
    registry.mkdir()
    for name in names:
        shutil.copy(FUNCTIONS / f"{name}.py", registry)
    return registry


@contextlib.contextmanager
def serving(folder: Path, *registry: Path, **settings: object) -> Iterator[Server]:
    """A server that is ready, and is ended afterwards."""
    server = Server(folder, *registry, **settings)
    try:
        yield server.await_answer()
    finally:
        server.end()
