"""Headers that keep browsers and caches from doing with an answer what it is not meant for.

Made once; an answer costs a look into a table. Pages have more, see ``pages``.
"""

from app.api.pages import STATIC

Headers = tuple[tuple[bytes, bytes], ...]

_AS_SAID = (b"x-content-type-options", b"nosniff")
_PLAIN: Headers = (_AS_SAID, (b"cache-control", b"no-store"))
_STATIC: Headers = (_AS_SAID,)
_BY_PATH: dict[str, Headers] = {
    "/jjt": _PLAIN,
    "/functions": (_AS_SAID, (b"cache-control", b"no-cache")),  # kept, and asked about by its ETag
}


def safe_headers(path: str) -> Headers:
    """What is said with each answer to a path."""
    return _BY_PATH.get(path) or (_STATIC if path.startswith(STATIC) else _PLAIN)
