"""What the head of a request says that matters to a matrix, in one pass over its headers. Refuses nothing."""

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl

from starlette.types import Scope

Pairs = tuple[tuple[str, str], ...]
_SHORT_BYTES = 512  # of a query that is remembered: clients ask the same again and again


class Head(NamedTuple):
    """Headers of a request, those of one name joined by a comma, and its query.

    So two Content-Types are no format that anybody reads.

    Args:
        content_type: None where it is missing.
        accept: None where it is missing.
        content_length: empty where it is missing.
        deadline: JJT-Deadline; None where it is missing.
        content_encoding: None where it is missing.
        accept_encoding: None where it is missing; an empty one is there.
        query: names and values, in their order.
    """

    content_type: str | None
    accept: str | None
    content_length: str
    deadline: str | None
    content_encoding: str | None
    accept_encoding: str | None
    query: Pairs


_FIELDS = {
    name: place
    for place, name in enumerate(
        (
            b"content-type",
            b"accept",
            b"content-length",
            b"jjt-deadline",
            b"content-encoding",
            b"accept-encoding",
        )
    )
}


def head_of(scope: Scope) -> Head:
    """The head of a request."""
    found: list[str | None] = [None] * len(_FIELDS)
    for name, value in scope["headers"]:
        at = _FIELDS.get(name)
        if at is not None:
            text, before = value.decode("latin-1"), found[at]
            found[at] = text if before is None else f"{before}, {text}"
    content_type, accept, length, deadline, content_encoding, accept_encoding = found
    query = scope["query_string"]
    read = _pairs if len(query) <= _SHORT_BYTES else _pairs.__wrapped__
    return Head(
        content_type or None,
        accept or None,
        length or "",
        deadline,
        content_encoding,
        accept_encoding,
        read(query),
    )


@lru_cache(maxsize=256)
def _pairs(query: bytes) -> Pairs:
    return tuple(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
