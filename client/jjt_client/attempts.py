"""What went wrong so far -> whether to send once more, and after how many seconds. Sends and sleeps nothing.

    connecting failed                   again: nothing was sent
    the connection broke, no byte came  again, once: one that was kept open turns out to be closed
    429, 503 with Retry-After           again, not before that time
    429, 503 without                    again, if no jjt service said it: one that does knows no better time
    anything else                       not again; above all never after a part of an answer

All requests are pure computations or reads, so that one that was answered twice does no harm.
"""

import random
from http import HTTPStatus

from jjt_client.errors import ConnectionFailed, JJTError, TimedOut

PATIENCE_SECONDS = 60.0  # all waits of one request together, where it has no deadline
BACKOFF_SECONDS = 0.25  # doubles with each attempt
JITTER = 0.25  # part of a wait that is random, so that clients refused together come back apart
BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class Attempts:
    """The attempts at one request.

    Args:
        retries: how often to send again, at most.
        patience_seconds: how long to wait between attempts, all waits together; the default for None.
    """

    def __init__(self, retries: int, patience_seconds: float | None = None) -> None:
        self._retries = retries
        self._made = 0
        self._patience_seconds = PATIENCE_SECONDS if patience_seconds is None else patience_seconds

    def wait_seconds(self, error: JJTError) -> float | None:
        """Count an attempt that ended in ``error``.

        Returns:
            Seconds to wait before the next, or None where there should be none.
        """
        if self._made >= self._retries or not _worth_repeating(error, first=self._made == 0):
            return None
        backoff = BACKOFF_SECONDS * 2**self._made
        seconds = max(backoff, error.retry_after_seconds or 0.0) * random.uniform(1, 1 + JITTER)  # noqa: S311
        self._made += 1
        self._patience_seconds -= seconds
        return seconds if self._patience_seconds >= 0 else None


def _worth_repeating(error: JJTError, *, first: bool) -> bool:
    match error:
        case ConnectionFailed(stage="connecting") | TimedOut(stage="connecting"):
            return True
        case ConnectionFailed(stage="waiting"):
            return first
        case _:
            return error.status in BUSY and (error.retry_after_seconds is not None or not error.code)
