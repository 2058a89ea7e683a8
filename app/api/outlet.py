"""The way out of a connection: a transport that closes without tearing what it has written, or in one piece.

A socket that is closed while bytes wait in it unread resets the connection, and the client may lose the
answer that was on its way. So ``close`` ends the writing, goes on reading what nobody wants any more, and
leaves the last step to whoever owns the connection.

A head and a short body that are written one after the other wake the client twice, and cost the server two
calls of the kernel: after ``join`` the next piece waits for the one after it.
"""

import asyncio
import contextlib
import socket
import struct
from typing import Any

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, and for no second


class Outlet:
    """Wraps a transport; what is not said here is the transport's own."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._closing = False
        self._paused = False
        self._held = False
        self._joins = False
        self._waiting = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    @property
    def unsent_bytes(self) -> int:
        """How much the client has yet to take."""
        return self._transport.get_write_buffer_size()

    def is_closing(self) -> bool:
        """Whether nothing more can be written."""
        return self._closing or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send, unless the connection is closing."""
        if self.is_closing():
            return
        if self._joins and not self._waiting:
            self._waiting = data
            return
        self._transport.write(self._waiting + data if self._waiting else data)
        self._joins, self._waiting = False, b""

    def join(self) -> None:
        """Hold what is written next until more is, or until ``flush``, or the end."""
        self._joins = True

    def flush(self) -> None:
        """Send what is held."""
        self._joins = False
        if self._waiting:
            self.write(b"")

    def close(self) -> None:
        """End the writing after what was written; reading goes on until ``finish``, or the client's end."""
        if not self.is_closing():
            self.flush()
            self._closing = True
            self._apply()
            self._transport.write_eof()

    def finish(self) -> None:
        """Close both ways, once what was written is sent."""
        self.flush()
        self._closing = True
        self._transport.close()

    def cut(self) -> None:
        """Reset the connection, and drop what is buffered here and in the kernel."""
        self._closing = True
        with contextlib.suppress(OSError, AttributeError):  # it is gone already
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._transport.abort()

    def pause_reading(self) -> None:
        """Pause for the server's own reasons."""
        self._paused = True
        self._apply()

    def resume_reading(self) -> None:
        """Resume, unless the connection is held."""
        self._paused = False
        self._apply()

    def hold(self, held: bool) -> None:
        """Pause, or no longer, for a reason beside the server's own."""
        self._held = held
        self._apply()

    def _apply(self) -> None:
        if self._transport.is_closing():
            return
        if (self._paused or self._held) and not self._closing:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
