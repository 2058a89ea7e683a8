"""What the client's tests share: a real service, one that follows a script, waits that do not wait."""

import asyncio
import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import httpx
import pytest

from jjt_client import AsyncClient, Client

TESTS = Path(__file__).parent
ROOT = TESTS.parent.parent
START_SECONDS = 100.0
MAX_BODY_BYTES = 1 << 20
MAX_ANSWER_BYTES = 1 << 16
MAX_STREAM_BYTES = 1 << 17
READY = re.compile(r"is ready on (http://\S+)")

Handler = Callable[[httpx.Request], httpx.Response]
Ask = Callable[..., Any]


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a service with the functions of ``functions/`` and limits that are easy to meet."""
    folder = tmp_path_factory.mktemp("service")
    log = folder / "log"
    settings = {
        "JJT_REGISTRY": str(TESTS / "functions"),
        "JJT_DATA": str(folder / "data"),
        "JJT_MAX_BODY_BYTES": str(MAX_BODY_BYTES),
        "JJT_MAX_ANSWER_BYTES": str(MAX_ANSWER_BYTES),
        "JJT_MAX_STREAM_BYTES": str(MAX_STREAM_BYTES),
    }
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve", "--port", "0"],
            cwd=ROOT,
            env=os.environ | settings,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
        try:
            yield _ready(log, process)
        finally:
            process.terminate()
            process.wait(30)


def _ready(log: Path, process: subprocess.Popen[bytes]) -> str:
    limit = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < limit:
        if found := READY.search(log.read_text()):
            with (
                contextlib.suppress(urllib.error.URLError),
                urllib.request.urlopen(f"{found[1]}/readyz", timeout=5),
            ):
                return found[1]
        time.sleep(0.05)
    raise RuntimeError(f"the service did not start:\n{log.read_text()}")


class Scripted:
    """A server that answers each connection with the next bytes of its script, the last ones for ever.

    Then it closes the connection; after bytes in a tuple it waits until the client does.
    """

    def __init__(self, *script: bytes | tuple[bytes]) -> None:
        self.connections = 0
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(10)
                if not _whole_request(connection):
                    return  # the test is over
                act = self._script[min(self.connections, len(self._script) - 1)]
                self.connections += 1
                connection.sendall(act if isinstance(act, bytes) else act[0])
                if isinstance(act, tuple):
                    connection.recv(1)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        port = self._listener.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()
        self._thread.join(10)
        self._listener.close()


def _whole_request(connection: socket.socket) -> bytes:
    """One request with its body, for a socket closed with bytes unread breaks the connection."""
    said = connection.recv(1 << 16)
    while said and b"\r\n\r\n" not in said:
        said += connection.recv(1 << 16)
    head, _, body = said.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    missing = int(length[1]) - len(body) if length else 0
    while missing > 0:
        missing -= len(connection.recv(missing))
    return said


@pytest.fixture
def scripted() -> type[Scripted]:
    """The maker of servers that follow a script."""
    return Scripted


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that clients would have waited; they go on at once."""
    seconds: list[float] = []

    async def sleep(delay: float) -> None:
        seconds.append(delay)

    monkeypatch.setattr("jjt_client.client.time", SimpleNamespace(sleep=seconds.append))
    monkeypatch.setattr("jjt_client.async_client.asyncio", SimpleNamespace(sleep=sleep))
    return seconds


@pytest.fixture(params=[Client, AsyncClient])
def ask(request: pytest.FixtureRequest) -> Ask:
    """``ask(handler or url, method, *args, client={…}, **options)`` by either client, once each."""

    def asked(where: Handler | str, method: str, *args: Any, client: Any = None, **options: Any) -> Any:
        settings: dict[str, Any] = {"base_url": where} if isinstance(where, str) else _faked(where)
        settings |= client or {}
        if request.param is Client:
            with Client(**settings) as service:
                return getattr(service, method)(*args, **options)

        async def awaited() -> Any:
            async with AsyncClient(**settings) as service:
                return await getattr(service, method)(*args, **options)

        return asyncio.run(awaited())

    return asked


def _faked(handler: Handler) -> dict[str, Any]:
    return {"base_url": "http://service", "transport": httpx.MockTransport(handler)}
