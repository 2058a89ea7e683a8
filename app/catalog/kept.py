"""What is worth keeping between starts, as JSON in one file. Lost or read-only, it costs time only."""

import json
import os
from pathlib import Path
from typing import Any


class Kept:
    """A few facts by key, in a file.

    Args:
        file: where they are kept, or None to keep them in memory.
        most: how many are kept; past that the oldest are dropped.
    """

    def __init__(self, file: Path | None, most: int = 10_000) -> None:
        self._file = file
        self._most = most
        self._facts = _read(file) if file else {}

    def get(self, key: str) -> Any:
        """The fact of a key, or None."""
        return self._facts.get(key)

    def put(self, key: str, fact: Any) -> None:
        """Keep a fact; on disk too, where that can be written."""
        self._facts.pop(key, None)
        self._facts[key] = fact
        while len(self._facts) > self._most:
            del self._facts[next(iter(self._facts))]
        if self._file:
            _write(self._file, self._facts)


def _read(file: Path) -> dict[str, Any]:
    try:
        facts = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _write(file: Path, facts: dict[str, Any]) -> None:
    draft = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(facts))
        # Two processes may share the folder: each writes a file of its own and puts it in place whole.
        draft.replace(file)
    except OSError:
        return
