"""Reads a request's body under a limit, chunk by chunk; the header's claim only lets it refuse earlier."""

from collections.abc import Callable

from fastapi import Request
from starlette.requests import ClientDisconnect

from app.errors import BodyTooLarge


def announced_bytes(request: Request, allowed_bytes: int) -> int:
    """The size of the body as its header has it, 0 where it has none; no more than is allowed."""
    declared = request.headers.get("content-length", "")
    return min(int(declared), allowed_bytes) if _is_number(declared) else 0


async def read_body(
    request: Request, allowed_bytes: int, reserve: Callable[[int], None] = lambda _: None
) -> bytes:
    """The whole body.

    Args:
        request: whose body was not read.
        allowed_bytes: its largest size.
        reserve: is told, before it is exceeded, how many bytes more than were announced may be held.

    Raises:
        BodyTooLarge: as soon as it is known that more than ``allowed_bytes`` come.
        ClientDisconnect: if the client left before the end.
    """
    declared = request.headers.get("content-length", "")
    if _is_number(declared) and int(declared) > allowed_bytes:
        raise _too_large(allowed_bytes)
    reserved = announced_bytes(request, allowed_bytes)
    body = bytearray()  # a list of a million one-byte chunks would take a hundred times their size
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > allowed_bytes:
            raise _too_large(allowed_bytes)
        if len(body) > reserved:
            reserved = min(2 * len(body), allowed_bytes)
            reserve(reserved)
        more = message.get("more_body", False)
    return bytes(body)


def _is_number(declared: str) -> bool:
    return declared.isascii() and declared.isdigit()


def _too_large(allowed_bytes: int) -> BodyTooLarge:
    detail = f"the body is over {allowed_bytes} bytes; send fewer examples, or ask for a higher limit"
    return BodyTooLarge(detail, allowed_bytes=allowed_bytes)
