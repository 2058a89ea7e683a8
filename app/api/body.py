"""Reads a request's body under a limit, chunk by chunk; the header's claim only lets it refuse earlier."""

from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from app.errors import BodyTooLarge


def announced_bytes(declared: str, allowed_bytes: int) -> int:
    """The size of a body as its Content-Length has it, 0 where that says none; no more than is allowed."""
    return min(int(declared), allowed_bytes) if _is_number(declared) else 0


async def read_body(
    receive: Receive, declared: str, allowed_bytes: int, reserve: Callable[[int], None] = lambda _: None
) -> bytes:
    """The whole body.

    Args:
        receive: of a request whose body was not read.
        declared: its Content-Length, empty where it has none.
        allowed_bytes: its largest size.
        reserve: is told, before it is exceeded, how many bytes more than were announced may be held.

    Raises:
        BodyTooLarge: as soon as it is known that more than ``allowed_bytes`` come.
        ClientDisconnect: if the client left before the end.
    """
    if _is_number(declared) and int(declared) > allowed_bytes:
        raise _too_large(allowed_bytes)
    reserved = announced_bytes(declared, allowed_bytes)
    body = bytearray()  # a list of a million one-byte chunks would take a hundred times their size
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece, more = message.get("body", b""), message.get("more_body", False)
        size = len(body) + len(piece)
        if size > allowed_bytes:
            raise _too_large(allowed_bytes)
        if size > reserved:
            reserved = min(2 * size, allowed_bytes)
            reserve(reserved)
        if not (body or more):
            return piece  # all of it came at once
        body += piece
        if not more:
            return bytes(body)


def _is_number(declared: str) -> bool:
    return declared.isascii() and declared.isdigit()


def _too_large(allowed_bytes: int) -> BodyTooLarge:
    detail = f"the body is over {allowed_bytes} bytes; send fewer examples, or ask for a higher limit"
    return BodyTooLarge(detail, allowed_bytes=allowed_bytes)
