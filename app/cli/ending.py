"""A server that ends in good order: what was accepted is answered, and only then nobody is listened to.

It is Uvicorn's server, of which it replaces ``handle_exit`` and ``serve``, and sets ``should_exit``.
"""

import asyncio
import contextlib
import ctypes
import math
import signal
import socket
import struct
from types import FrameType

import structlog
import uvicorn

from app.api.house import House

HANDSHAKE_SECONDS = 0.2  # for connections that the kernel has begun
LEAST_SECONDS = 1  # for bytes that are on their way, in both directions
SIGNALS = (signal.SIGTERM, signal.SIGINT)
SO_ATTACH_FILTER = 26
# A filter of a socket, in four instructions: of the flags of TCP (byte 13), is SYN set and ACK not? Drop it.
NO_HANDSHAKES = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),
        (0x54, 0, 0, 0x12),
        (0x15, 0, 1, 0x02),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0xFFFFFFFF),
    )
)
log = structlog.get_logger()


class Server(uvicorn.Server):
    """Drains at the first signal, hurries at the second.

    Args:
        config: Uvicorn's.
        house: is drained.
        listener: on which requests arrive.
    """

    def __init__(self, config: uvicorn.Config, house: House, listener: socket.socket) -> None:
        super().__init__(config)
        self._house = house
        self._listener = listener
        self._signals = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._signalled = asyncio.Event()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as Python calls it
        """Note a signal; at the first, no request begins any more."""
        self._house.draining.begin()
        self._signals += 1
        if self._loop:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the end is near
                self._loop.call_soon_threadsafe(self._wake)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal came and everything is answered."""
        self._loop = asyncio.get_running_loop()
        self._wake()  # a signal may have come before the loop
        ending = asyncio.create_task(self._end())
        try:
            await super().serve(sockets)
        finally:
            ending.cancel()

    def _wake(self) -> None:
        if self._signals:
            self._signalled.set()
        if self._signals > 1:
            self._house.draining.hurry()

    async def _end(self) -> None:
        await self._signalled.wait()
        assert self._loop
        limit = self._loop.time() + self._house.settings.drain_seconds
        log.info("draining", seconds=self._house.settings.drain_seconds)
        done = await self._house.drain()
        log.info("drained", complete=done)
        no_handshakes(self._listener)
        await asyncio.sleep(HANDSHAKE_SECONDS)
        rest = limit - self._loop.time() if self._signals < 2 else 0
        self.config.timeout_graceful_shutdown = max(LEAST_SECONDS, math.ceil(rest))
        self.should_exit = True


def no_handshakes(listener: socket.socket) -> None:
    """Let the kernel begin no further connection, and hand over those that it has begun.

    A socket that is closed resets the connections that wait in it, and whatever they have sent. Where there
    is no such filter, as outside Linux, a client that connects at the last moment can meet that.
    """
    program = ctypes.create_string_buffer(NO_HANDSHAKES)
    fprog = struct.pack("HL", len(NO_HANDSHAKES) // 8, ctypes.addressof(program))
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)
