"""A stream of blocks → an answer that leaves while it is computed, as fast as its reader takes it.

Memory holds a few blocks of it, however slow the reader is. Once the head is out, a failure can be said in
one way only: the connection is broken before the length that the head promised. Knows no format by name.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing, suppress
from time import perf_counter

import numpy as np
import structlog
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from app.api.awaiting import left, off_loop, unless_client_leaves
from app.api.encoding import SLOWER, VARY
from app.api.extensions import CUT
from app.api.house import House
from app.api.written import RawHeaders, Written
from app.engine import Problem
from app.errors import AnswerTooLarge, JJTError
from app.scheduler import Stream
from app.scheduler.panels import Panels
from app.settings import Settings
from app.wire import CODECS, Codec, Encoding, Packing
from app.wire.arrays import raw
from app.wire.encodings import Compressor

PIECE_BYTES = 256 << 10  # handed to the server at a time; a reader has to take as much in ``stall_seconds``
LAST_SECONDS = 1.0  # for a connection that was cut to be gone
log = structlog.get_logger()


class ReaderStalled(Exception):
    """The reader took too little for too long."""


def streams(settings: Settings, problem: Problem, writer: Codec, whole: bool) -> bool:
    """Whether an answer is streamed: it is large, its format is binary, and nothing asks for it whole.

    Args:
        settings: what is large, and what is too large to be held.
        problem: that is answered.
        writer: of the answer.
        whole: whether all of it is needed before the head.

    Raises:
        AnswerTooLarge: where it is not streamed and is too large to be held.
    """
    needed = problem.answer_bytes
    large = needed >= settings.stream_bytes or needed > settings.max_answer_bytes
    if writer.framed is not None and not whole:
        return large
    if needed <= settings.max_answer_bytes:
        return False
    binary = ", ".join(codec.media_type for codec in CODECS.values() if codec.framed is not None)
    raise AnswerTooLarge(
        f"the matrix {list(problem.shape)} needs {needed} bytes, and {settings.max_answer_bytes} are allowed "
        f"in one piece; accept {binary}, without verify: these are streamed, up to "
        f"{settings.max_stream_bytes} bytes; or ask for fewer examples at a time",
        needed_bytes=needed,
        allowed_bytes=settings.max_answer_bytes,
    )


class StreamedAnswer(Written):
    """A response of known length, unless it is compressed, of which the first rows are there.

    Args:
        stream: of blocks.
        writer: of the format.
        house: whose metrics count, and whose settings say how long a reader may stall.
        headers: of the response, beside its length.
    """

    def __init__(self, stream: Stream, writer: Codec, house: House, headers: RawHeaders) -> None:
        assert writer.framed is not None
        answer = stream.answer
        self._frame = writer.framed(answer.dtype, answer.shape)
        length = (b"content-length", b"%d" % self._frame.total_bytes)
        super().__init__(
            b"", [(b"content-type", writer.media_type.encode("latin-1")), length, *headers, VARY]
        )
        self._compressor: Compressor | None = None
        self.answer = answer
        self._metrics = house.metrics
        self._stall_seconds = house.settings.stall_seconds
        self._panels = _panels(stream)
        self._first: np.ndarray | None = None
        self._held = ExitStack()
        self._sent_bytes = 0

    @classmethod
    async def begun(
        cls,
        stream: Stream,
        writer: Codec,
        house: House,
        headers: RawHeaders,
        held: ExitStack,
        packing: Packing | None = None,
    ) -> "StreamedAnswer":
        """Await the first rows: what fails until then can still be answered as an error.

        Args:
            stream: of blocks.
            writer: of the format.
            house: that answers.
            headers: of the response, beside its length.
            held: what is let go of, in the end; taken over.
            packing: how it may be compressed, piece by piece; None for not at all.

        Raises:
            JJTError: as the stream does.
        """
        answer = cls(stream, writer, house, headers)
        answer._first = await anext(answer._panels)
        if packing is not None and packing.pays(raw(answer._first)):
            answer._compress(packing.encoding)
        answer._held = held.pop_all()
        return answer

    def _compress(self, encoding: Encoding) -> None:
        self._compressor = encoding.compressor()
        self.headers["Content-Encoding"] = encoding.name
        del self.headers["Content-Length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it, or break the connection."""
        said = scope["jjt.said"]
        said["streamed"] = "failed"
        began = perf_counter()
        try:
            with self._held:
                async with aclosing(self._panels):
                    await unless_client_leaves(receive, self._send_all(send))
            said["streamed"] = "whole"
            self._metrics.answers.labels(self.answer.function, self.answer.algorithm).inc()
            self._metrics.answer_bytes.observe(self._sent_bytes)
        except ClientDisconnect:
            said["streamed"] = "left"
            raise
        except Exception as error:
            if isinstance(error, ReaderStalled):
                said["streamed"] = "stalled"
            self._log(error)
            await _cut(scope, receive, error)
        finally:
            self._metrics.streams.labels(said["streamed"]).inc()
            times = self.answer.times
            times.stream_ended = perf_counter()
            times.stream = times.stream_ended - began

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await self._give(send, self._frame.head)
        check = self._frame.check
        panel, self._first = self._first, None
        while panel is not None:
            check = await self._send_panel(send, panel, check)
            del panel  # the next one is awaited without it
            panel = await anext(self._panels, None)
        await self._give(send, self._frame.tail(check))
        await self._give(send, b"", last=True)  # only now has the reader taken all before it

    async def _send_panel(self, send: Send, panel: np.ndarray, check: int) -> int:
        data = raw(panel)
        for first in range(0, len(data), PIECE_BYTES):
            piece = data[first : first + PIECE_BYTES]
            check = self._frame.counted(check, piece)
            await self._give(send, piece)
        return check

    async def _give(self, send: Send, piece: bytes | memoryview, last: bool = False) -> None:
        if self._compressor is not None:
            piece = await off_loop(SLOWER * len(piece), _packed, self._compressor, piece, last)
            if not (piece or last):
                return
        try:
            async with asyncio.timeout(self._stall_seconds):
                await send({"type": "http.response.body", "body": piece, "more_body": not last})
        except TimeoutError:
            raise ReaderStalled(f"the reader took too little for {self._stall_seconds} seconds") from None
        self._sent_bytes += len(piece)

    def _log(self, error: Exception) -> None:
        facts = {"sent_bytes": self._sent_bytes, "total_bytes": self._frame.total_bytes}
        if isinstance(error, ReaderStalled):
            log.warning("the reader of an answer stalled", seconds=self._stall_seconds, **facts)
        elif isinstance(error, JJTError):
            log.error("an answer broke off", code=error.code, detail=error.detail, **facts)
        else:
            log.error("an answer broke off", exc_info=error, **facts)


def _packed(compressor: Compressor, piece: bytes | memoryview, last: bool) -> bytes:
    packed = compressor.compress(piece)
    return packed + compressor.flush() if last else packed


async def _panels(stream: Stream) -> AsyncGenerator[np.ndarray, None]:
    panels = Panels(stream.answer.sizes)
    async with aclosing(stream.blocks()) as blocks:
        async for block in blocks:
            panel = await off_loop(block.array.nbytes, panels.add, block)
            del block
            if panel is not None:
                yield panel
            del panel


async def _cut(scope: Scope, receive: Receive, error: Exception) -> None:
    """Reset the connection; where the server has no way to, raise: then it closes it."""
    cut = (scope.get("extensions") or {}).get(CUT)
    if cut is None:
        raise error
    cut()
    with suppress(TimeoutError):  # else the server would complain of half an answer
        async with asyncio.timeout(LAST_SECONDS):
            await left(receive)
