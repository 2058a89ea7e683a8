"""Microseconds of single requests, one after the other on one connection, by a client that does little."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np

from benchmarks.service.kinds import Kind

HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Percentiles:
    """Of the requests of one turn, in microseconds."""

    p50: float
    p99: float


class Connection:
    """A connection that is kept open.

    Args:
        plug: that is connected.
        request: that is sent, whole.
    """

    def __init__(self, plug: socket.socket, request: bytes) -> None:
        self._plug = plug
        self._request = request

    def microseconds(self) -> float:
        """Send the request once, and read all of the answer.

        Raises:
            RuntimeError: for an answer other than 200 with its length.
        """
        began = time.perf_counter_ns()
        self._plug.sendall(self._request)
        received = self._plug.recv(1 << 16)
        while (end := received.find(HEAD_END)) < 0:
            received += self._more()
        head = received[:end].lower()
        place = head.find(b"content-length:")
        if not head.startswith(b"http/1.1 200") or place < 0:
            raise RuntimeError(f"expected 200 with a length, got {head[:200]!r}")
        missing = end + len(HEAD_END) + int(head[place + 15 :].split(b"\r", 1)[0]) - len(received)
        while missing > 0:
            missing -= len(self._more())
        return (time.perf_counter_ns() - began) / 1e3

    def turn(self, count: int) -> Percentiles:
        """So many requests."""
        taken = [self.microseconds() for _ in range(count)]
        return Percentiles(*(float(each) for each in np.percentile(taken, (50, 99))))

    def _more(self) -> bytes:
        received = self._plug.recv(1 << 16)
        if not received:
            raise RuntimeError("the server closed the connection")
        return received


@contextmanager
def connected(kind: Kind, url: str) -> Iterator[Connection]:
    """A connection for requests of one kind."""
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    lines = [f"POST {kind.target} HTTP/1.1", f"Host: {address.netloc}", f"Content-Length: {len(kind.body)}"]
    lines += [f"{name}: {value}" for name, value in kind.headers.items()]
    request = "\r\n".join(lines).encode() + HEAD_END + kind.body
    with socket.create_connection((address.hostname, address.port), timeout=60) as plug:
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Connection(plug, request)
