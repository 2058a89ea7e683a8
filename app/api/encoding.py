"""Compressed bodies and answers, as headers say them: expanded and packed off the loop, told to the ledger.

Errors are never compressed. Knows no route.
"""

from collections.abc import Callable

from starlette.types import Scope

from app.api.awaiting import INLINE_BYTES, off_loop
from app.api.head import Head
from app.api.written import RawHeaders
from app.wire import Encoding, Expansion, Packing, encoding_of, packing_of

EXPANDS = 4  # times, as much as JSON does; what expands to more takes more steps
SLOWER = 8  # times as long as other work on as many bytes takes compressing
VARY = (b"vary", b"Accept, Accept-Encoding")


def codings(head: Head, scope: Scope) -> tuple[Encoding | None, Packing | None]:
    """How a request's body is compressed, and how its answer may be; None for not at all.

    Raises:
        UnknownEncoding: for a body that is compressed otherwise than is read.
        NotAcceptable: where the answer may neither be plain nor compressed as is written.
    """
    whole = scope["http_version"] == "1.0"  # which knows no chunks, for what has no length
    return encoding_of(head.content_encoding), None if whole else packing_of(head.accept_encoding)


async def expand(
    encoding: Encoding, body: bytes, allowed_bytes: int, reserve: Callable[[int], None] = lambda _: None
) -> bytes:
    """What a compressed body holds.

    Args:
        encoding: of the body.
        body: all of it.
        allowed_bytes: largest size of what it expands to.
        reserve: is told, before they are held, how many bytes may be, the body included.

    Raises:
        DecodeError: where the body is not what its coding says.
        BodyTooLarge: where it expands to more than ``allowed_bytes``.
    """
    expansion, upto_bytes, done = Expansion(encoding, body, allowed_bytes), 0, False
    while not done:
        upto_bytes = min(EXPANDS * max(upto_bytes, len(body), INLINE_BYTES // EXPANDS), allowed_bytes)
        reserve(len(body) + upto_bytes)
        done = await off_loop(upto_bytes, expansion.go, upto_bytes)
    return expansion.value()


async def packed(packing: Packing | None, content: bytes) -> tuple[bytes, RawHeaders]:
    """An answer as it goes out, and the headers that say how."""
    if packing is None:
        return content, (VARY,)
    small = await off_loop(SLOWER * len(content), packing.pack, content)
    if small is None:
        return content, (VARY,)
    return small, (VARY, (b"content-encoding", packing.encoding.name.encode("ascii")))
