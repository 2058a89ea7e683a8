"""Names of arrays as the wire writes them: ``x1``, ``x2.position``, ``x1.0``, ``x1.[a.b]``.

Checks that a name can be one; whether a function has such an input, the engine knows.
"""

from app.errors import BodyTooLarge, DecodeError

SIDES = ("x1", "x2")
MAX_ARRAYS = 4096  # parts of x1 and x2 in one request; far above what functions declare
MAX_KEY = 1024  # characters; a look-up compares keys one by one
MAX_SHOWN = 60


def shown(text: object) -> str:
    """What came, quoted and cut so that an error stays readable."""
    quoted = repr(text)
    return quoted if len(quoted) <= MAX_SHOWN else f"{quoted[:MAX_SHOWN]}…"


def is_array(name: str) -> bool:
    """Whether a name is that of x1, of x2 or of a part of them."""
    return name in SIDES or name.startswith(("x1.", "x2."))


def check_name(name: str) -> None:
    """Refuse a name that no array can have.

    Raises:
        DecodeError: for a name other than x1, x2 and their dotted parts.
    """
    if not is_array(name):
        raise DecodeError(
            f"array {shown(name)} is not known; send x1 and x2, or parts of them by dotted names such as "
            "x1.position"
        )
    if name.endswith(".") or ".." in name:
        raise DecodeError(
            f"array {shown(name)} has an empty part; dotted names look like x1.position or x1.0"
        )


def check_new(name: str, seen: object, what: str) -> None:
    """Refuse a name that was there before.

    Raises:
        DecodeError: if ``name`` is in ``seen``, a container of names.
    """
    if name in seen:  # type: ignore[operator]
        raise DecodeError(f"{what} {shown(name)} is given twice; send it once")


def check_keys(keys: list[str]) -> None:
    """Refuse keys of an object that no look-up should be made for.

    Raises:
        DecodeError: for one that is very long, or holds a NUL, where a look-up would end.
    """
    if "\0" in "".join(keys) or max(map(len, keys), default=0) > MAX_KEY:
        key = next(key for key in keys if len(key) > MAX_KEY or "\0" in key)
        raise DecodeError(f"the key {shown(key)} is longer than {MAX_KEY} characters or holds a NUL")


def dotted(name: str, key: str) -> str:
    """The name of a part; a key that holds a sign of the grammar of names is quoted."""
    if not key:
        raise DecodeError(f"{shown(name)} holds an empty key; every part of an input has a name")
    return f"{name}.[{key}]" if any(sign in key for sign in ".,[]*") else f"{name}.{key}"


def check_room(needed_bytes: int, limit_bytes: int) -> None:
    """Refuse arrays that are larger than the limit, before they are made.

    Raises:
        BodyTooLarge: with ``needed_bytes`` and ``allowed_bytes``.
    """
    if needed_bytes > limit_bytes:
        raise BodyTooLarge(
            f"the body expands to at least {needed_bytes} bytes of arrays, and {limit_bytes} are allowed; "
            "send fewer examples at a time, or a narrower dtype in a binary format",
            allowed_bytes=limit_bytes,
            needed_bytes=needed_bytes,
        )
