"""A file of keys: one JSON object a line. Read whole, and replaced whole, for its owner alone to read."""

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from app.errors import KeyFileError
from app.keys.key import Key


def read(path: Path) -> tuple[Key, ...]:
    """The keys of a file; an empty one has none.

    Raises:
        KeyFileError: where it cannot be read, a line is no key, or two have one name or one hash. What
            stands in the line is not repeated.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        reason = f"{error.strerror or error}; jjt keys add NAME makes a file of keys"
        raise KeyFileError(path, reason) from None
    keys = [_key(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    for field in ("name", "sha256"):
        _require_distinct(path, field, [getattr(key, field) for key in keys])
    return tuple(keys)


def add(path: Path, key: Key) -> None:
    """Put a key into a file, which is made where there is none.

    Raises:
        KeyFileError: where the file is no file of keys, or has a key of that name.
    """
    keys = read(path) if path.exists() else ()
    if key.name in [each.name for each in keys]:
        raise KeyFileError(path, f"there is a key {key.name!r}; remove it first, or take another name")
    _replace(path, (*keys, key))


def remove(path: Path, name: str) -> None:
    """Take a key out of a file.

    Raises:
        KeyFileError: where the file is no file of keys, or has no key of that name.
    """
    keys = read(path)
    left = [key for key in keys if key.name != name]
    if len(left) == len(keys):
        raise KeyFileError(path, "there is no key of that name; jjt keys list shows the names")
    _replace(path, left)


def _key(path: Path, number: int, line: bytes) -> Key:
    try:
        return Key.model_validate_json(line)
    except ValidationError as error:
        mistake = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, mistake["loc"])) if mistake["type"] != "extra_forbidden" else "a member"
        said = f"{where}: {mistake['msg']}" if where else mistake["msg"]
        raise KeyFileError(path, f"line {number} is no key: {said}") from None


def _require_distinct(path: Path, field: str, values: list[str]) -> None:
    lines: dict[str, int] = {}
    for number, value in enumerate(values, 1):
        if first := lines.get(value):
            raise KeyFileError(path, f"keys {first} and {number} have one {field}; expected another for each")
        lines[value] = number


def _replace(path: Path, keys: Iterable[Key]) -> None:
    place = path.resolve()  # of a link, what it leads to
    try:
        handle, name = tempfile.mkstemp(prefix=".", dir=place.parent)  # for its owner alone
        draft = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.writelines(key.model_dump_json(exclude_none=True) + "\n" for key in keys)
                file.flush()
                os.fsync(file.fileno())
            _keep_owner(place, draft)
            draft.replace(place)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise KeyFileError(path, f"cannot be written: {error.strerror or error}") from None


def _keep_owner(place: Path, draft: Path) -> None:
    """Leave a file to whoever had it: the service, where somebody else may write for it."""
    if place.exists():
        before = place.stat()
        if (before.st_uid, before.st_gid) != (os.getuid(), os.getgid()):
            with suppress(PermissionError):
                os.chown(draft, before.st_uid, before.st_gid)
