"""Keys on, for tests that know nothing of them: services ask for keys, and all that is sent here has one.

A client of these tests is its address; so each address has a key of its own, and what was fair between
addresses has to be fair between keys. The key is put into requests where they leave: in httpx, in sockets,
in streams of asyncio. ``JJT_KEY`` brings it to other processes.

``python -m tests.e2e.keyed MODULE ARGUMENTS`` runs a module so, such as ``benchmarks.soak``.
"""

import asyncio
import base64
import contextlib
import hashlib
import runpy
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.keys import Key, digest_of

HOME = "127.0.0.1"
# Clients of benchmarks/load, by the third number of their addresses.
GROUPS = {10: 40, 20: 1, 21: 20, 22: 1, 30: 250, 31: 8, 32: 250, 33: 1, 40: 1, 41: 4, 50: 60, 60: 16, 70: 64}
ADDRESSES = [
    HOME,
    *(f"127.0.{group}.{number + 1}" for group, many in GROUPS.items() for number in range(many)),
]
LINE_END = b" HTTP/1.1\r\n"


def secret_of(address: str) -> str:
    """The key of a client, which every process knows."""
    return "jjt_" + base64.urlsafe_b64encode(hashlib.sha256(address.encode()).digest()).decode().rstrip("=")


def signed(data: bytes, address: str) -> bytes:
    """The same bytes with a key in the head of each request."""
    return data.replace(LINE_END, LINE_END + f"Authorization: Bearer {secret_of(address)}\r\n".encode())


@contextlib.contextmanager
def keys_on(folder: Path) -> Iterator[None]:
    """Services that start, and requests that leave, as long as this lasts."""
    if getattr(httpx.Client.build_request, "signs", False):  # they are on already, in this process
        yield
        return
    file = folder / "keys"
    lines = (Key(name=each, sha256=digest_of(secret_of(each).encode()).hex()) for each in ADDRESSES)
    file.write_text("".join(line.model_dump_json(exclude_none=True) + "\n" for line in lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JJT_KEYS", str(file))
        patch.setenv("JJT_KEY", secret_of(HOME))
        _patch_sockets(patch)
        for client in (httpx.Client, httpx.AsyncClient):
            _patch_client(patch, client)
        yield


def _patch_sockets(patch: pytest.MonkeyPatch) -> None:
    sendall, write = socket.socket.sendall, asyncio.StreamWriter.write

    def signed_sendall(self: socket.socket, data: Any, *flags: int) -> None:
        sendall(self, signed(bytes(data), self.getsockname()[0]), *flags)

    def signed_write(self: asyncio.StreamWriter, data: Any) -> None:
        write(self, signed(bytes(data), self.get_extra_info("sockname")[0]))

    patch.setattr(socket.socket, "sendall", signed_sendall)
    patch.setattr(asyncio.StreamWriter, "write", signed_write)


def _patch_client(patch: pytest.MonkeyPatch, client: type) -> None:
    build = client.build_request

    def signed_request(self: Any, *args: Any, **options: Any) -> httpx.Request:
        request = build(self, *args, **options)
        request.headers.setdefault("Authorization", f"Bearer {secret_of(HOME)}")
        return request

    signed_request.signs = True  # type: ignore[attr-defined]
    patch.setattr(client, "build_request", signed_request)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name, keys_on(Path(name)):
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
