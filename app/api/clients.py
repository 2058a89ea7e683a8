"""Who a request comes from, for whoever shares the device between clients."""

from fastapi import Request

NOBODY = "unknown"  # over a socket without addresses


def client_of(request: Request) -> str:
    """The client: its address, as the connection has it."""
    return request.client.host if request.client else NOBODY
