"""What a function is made of → its version: 8 hex digits of SHA-256 over file, specs and parameters.

Modules that a file imports from elsewhere, and data that it reads from elsewhere, are not covered.
Versions are kept by the state of the file, so that a start does not hash gigabytes each time.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from app.catalog.kept import Kept
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
    """Versions of functions, kept between starts by the state of their files.

    Args:
        data: folder for what is kept, or None.
    """

    def __init__(self, data: Path | None) -> None:
        self._kept = Kept(data / "versions.json" if data else None)

    def versioned(self, function: Function, path: Path) -> Function:
        """The function with its version: the declared one, or the one that its bytes make."""
        if function.version:
            return function
        state = repr((str(path.resolve()), function.name, state_of(path), jax.__version__))
        key = hashlib.sha256(state.encode()).hexdigest()
        version = self._kept.get(key)
        if not isinstance(version, str):
            version = _digest(function, path)
            self._kept.put(key, version)
        return replace(function, version=version)


def _digest(function: Function, path: Path) -> str:
    digest = hashlib.sha256()
    for file in files_of(path):
        digest.update(str(file.relative_to(path.parent)).encode())
        with file.open("rb") as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
    shapes = signature(function)
    params = shapes.params
    digest.update(repr((function.name, shapes.x_specs, shapes.x_paths, params.paths)).encode())
    digest.update(repr(params.fixed).encode())
    for array in params.arrays:
        digest.update(_bytes(array))
    return digest.hexdigest()[:8]


def _bytes(array: Any) -> bytes:
    if not isinstance(array, np.ndarray):
        array = np.asarray(jax.random.key_data(array))
    return repr((array.shape, array.dtype)).encode() + np.ascontiguousarray(array).tobytes()
