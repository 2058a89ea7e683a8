"""What a function is made of → its version: 8 hex digits of SHA-256 over file, specs and parameters.

Modules that a file imports from elsewhere, and data that it reads from elsewhere, are not covered.
Versions are kept by the state of the file, so that a start does not hash gigabytes each time.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from app.engine.signature import signature
from app.function import Function

_SKIPPED = ("__pycache__",)


def files_of(path: Path) -> Iterator[Path]:
    """The files that make up a source: itself, or all in the folder, sorted."""
    if path.is_file():
        yield path
        return
    for root, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
        yield from (Path(root) / name for name in sorted(names) if not name.startswith("."))


def state_of(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of change of each file of a source: it is unchanged while this is."""
    states = []
    for file in files_of(path):
        stat = file.stat()
        states.append((str(file.relative_to(path.parent)), stat.st_size, stat.st_mtime_ns))
    return tuple(states)


class Versions:
    """Versions of functions, kept in a file between starts where there is a folder for it."""

    def __init__(self, data: Path | None) -> None:
        self._file = data / "versions.json" if data else None
        self._kept: dict[str, str] = {}
        if self._file:
            try:
                kept = json.loads(self._file.read_text())
                self._kept = kept if isinstance(kept, dict) else {}
            except (OSError, ValueError):
                self._kept = {}

    def versioned(self, function: Function, path: Path) -> Function:
        """The function with its version: the declared one, or the one that its bytes make."""
        if function.version:
            return function
        key = hashlib.sha256(
            repr((str(path.resolve()), function.name, state_of(path), jax.__version__)).encode()
        ).hexdigest()
        if key not in self._kept:
            self._kept[key] = _digest(function, path)
            self._keep()
        return replace(function, version=self._kept[key])

    def _keep(self) -> None:
        if not self._file:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            draft = self._file.with_suffix(f".{os.getpid()}")
            draft.write_text(json.dumps(self._kept))
            draft.replace(self._file)
        except OSError:
            # A read-only file system costs a hash at each start, nothing else.
            return


def _digest(function: Function, path: Path) -> str:
    digest = hashlib.sha256()
    for file in files_of(path):
        digest.update(str(file.relative_to(path.parent)).encode())
        with file.open("rb") as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
    shapes = signature(function)
    digest.update(repr((function.name, shapes.x_specs, shapes.x_paths, shapes.params.paths)).encode())
    for array in shapes.params.arrays:
        digest.update(_bytes(array))
    return digest.hexdigest()[:8]


def _bytes(array: Any) -> bytes:
    if not isinstance(array, np.ndarray):
        array = np.asarray(jax.random.key_data(array))
    return repr((array.shape, array.dtype)).encode() + np.ascontiguousarray(array).tobytes()
