"""Who a request comes from, for whoever shares the device between clients."""

from fastapi import Request

NOBODY = "unknown"  # over a socket without addresses
CLIENT = "jjt.client"  # in the scope of a request that came with a key: the key's name


def client_of(request: Request) -> str:
    """The client: the name of its key, or else its address, as the connection has it."""
    return request.scope.get(CLIENT) or (request.client.host if request.client else NOBODY)
