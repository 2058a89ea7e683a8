"""A response whose head and body are bytes already: nothing is left to be done but to send it."""

from collections.abc import Sequence
from http import HTTPStatus

from fastapi import Response

RawHeaders = Sequence[tuple[bytes, bytes]]


class Written(Response):
    """An answer of what was asked for.

    Args:
        content: the body.
        raw_headers: all of them, the names in lower case; the length of the content among them.
    """

    def __init__(self, content: bytes, raw_headers: RawHeaders) -> None:
        self.status_code = HTTPStatus.OK  # what the framework's own beginning does, but for the headers
        self.background = None
        self.body = content
        self.raw_headers = list(raw_headers)
