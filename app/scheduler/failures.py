"""What leaves the scheduler is a ``JJTError``: deadlines and the engine's exceptions get their names here."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog

from app.errors import ComputeFailed, DeadlinePassed, JJTError

log = structlog.get_logger()


@asynccontextmanager
async def until(deadline: float) -> AsyncIterator[None]:
    """Stop at a deadline on the clock of the running event loop. Raises ``DeadlinePassed`` there."""
    timeout = asyncio.timeout_at(deadline)
    try:
        async with timeout:
            yield
    except TimeoutError:
        if not timeout.expired():
            raise
        raise DeadlinePassed(
            "the answer was not there at the deadline; allow more with deadline_seconds, or ask for less"
        ) from None


@contextmanager
def failures_named() -> Iterator[None]:
    """Let what is a ``JJTError`` pass; log anything else, and raise ``ComputeFailed`` without its words."""
    try:
        yield
    except JJTError:
        raise
    except Exception as error:
        log.exception("computation failed")
        raise ComputeFailed(
            "the function raised while it was computed; the log has the traceback under this request_id"
        ) from error
