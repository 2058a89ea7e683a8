"""What leaves the scheduler is a ``JJTError``: deadlines and the engine's exceptions get their names here."""

import asyncio
from types import TracebackType

import structlog

from app.errors import ComputeFailed, DeadlinePassed, JJTError

log = structlog.get_logger()


class until:  # noqa: N801 - read as a word: async with until(deadline)
    """Stop at a deadline on the clock of the running event loop. Raises ``DeadlinePassed`` there."""

    __slots__ = ("_timeout",)

    def __init__(self, deadline: float) -> None:
        self._timeout = asyncio.timeout_at(deadline)

    async def __aenter__(self) -> None:
        """Begin."""
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            raise DeadlinePassed(
                "the answer was not there at the deadline; allow more with deadline_seconds, or ask for less"
            ) from None


class failures_named:  # noqa: N801 - read as words: with failures_named()
    """Let what is a ``JJTError`` pass; log anything else, and raise ``ComputeFailed`` without its words."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        if isinstance(error, Exception) and not isinstance(error, JJTError):
            log.error("computation failed", exc_info=error)
            raise ComputeFailed(
                "the function raised while it was computed; the log has the traceback under this request_id"
            ) from error
