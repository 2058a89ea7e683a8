"""Reads a request's body under a limit, chunk by chunk; the header's claim only lets it refuse earlier."""

from fastapi import Request
from starlette.requests import ClientDisconnect

from app.errors import BodyTooLarge


async def read_body(request: Request, allowed_bytes: int) -> bytes:
    """The whole body.

    Raises:
        BodyTooLarge: as soon as it is known that more than ``allowed_bytes`` come.
        ClientDisconnect: if the client left before the end.
    """
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > allowed_bytes:
        raise _too_large(allowed_bytes)
    body = bytearray()  # a list of a million one-byte chunks would take a hundred times their size
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > allowed_bytes:
            raise _too_large(allowed_bytes)
        more = message.get("more_body", False)
    return bytes(body)


def _too_large(allowed_bytes: int) -> BodyTooLarge:
    detail = f"the body is over {allowed_bytes} bytes; send fewer examples, or ask for a higher limit"
    return BodyTooLarge(detail, allowed_bytes=allowed_bytes)
