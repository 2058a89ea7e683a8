"""All functions by name: loaded whole at the start, and file by file when files change."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from app.catalog.loading import load, sources
from app.catalog.versions import Versions, state_of
from app.errors import LoadError, UnknownFunction, UnknownVersion
from app.function import Function

State = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Reloaded:
    """What a reload brought.

    Args:
        changed: functions that are new, or of a new version.
        removed: functions that are served no longer, replaced ones among them.
    """

    changed: tuple[Function, ...]
    removed: tuple[Function, ...]


@dataclass(frozen=True)
class _Source:
    """A file that was loaded: the state that it was loaded in, and what it held."""

    state: State
    functions: tuple[Function, ...]


class Catalog:
    """The functions of some registry folders.

    Args:
        folders: of registry files.
        data: folder for what is kept between starts, or None.
    """

    def __init__(self, folders: Sequence[Path], data: Path | None = None) -> None:
        self.folders = tuple(folders)
        self.functions: Mapping[str, Function] = {}
        self.failed: tuple[LoadError, ...] = ()
        self._sources: dict[Path, _Source] = {}
        self._refused: dict[Path, tuple[State, LoadError]] = {}
        self._versions = Versions(data)
        self._lock = threading.Lock()

    def load(self) -> None:
        """Load every file.

        Raises:
            LoadError: for the first file that does not load, and for two functions of one name.
        """
        with self._lock:
            self._sources = {path: self._load(path) for path in self._paths()}
            self.functions = _by_name(self._sources)

    def reload(self) -> Reloaded:
        """Load what changed; a file that fails keeps its old functions serving, and is in ``failed``."""
        with self._lock:
            before = dict(self.functions)
            try:
                paths = self._paths()
            except LoadError as error:
                self.failed = (error,)
                return Reloaded((), ())
            for path in [path for path in self._sources if path not in paths]:
                del self._sources[path]
            self._refused = {path: refused for path, refused in self._refused.items() if path in paths}
            for path in paths:
                self._refresh(path)
            self.functions = _by_name(self._sources)
            self.failed = tuple(error for _, error in self._refused.values())
            return _difference(before, self.functions)

    def get(self, reference: str) -> Function:
        """The function that ``name`` or ``name@version`` means.

        Raises:
            UnknownFunction: naming near ones.
            UnknownVersion: naming the one that is here.
        """
        name, pinned, version = reference.partition("@")
        functions = self.functions
        if name not in functions:
            near = get_close_matches(name[:64], list(functions), n=3) or sorted(functions)[:5]
            raise UnknownFunction(f"no function {name[:64]!r}; here are {', '.join(near) or 'none'}")
        function = functions[name]
        if pinned and version != function.version:
            raise UnknownVersion(
                f"{name} is not here in version {version[:64]!r}; expected {function.version}, or no @"
            )
        return function

    def check(self) -> list[tuple[Path, tuple[Function, ...] | LoadError]]:
        """Load every file, and say of each what it holds or why it does not load."""
        results: list[tuple[Path, tuple[Function, ...] | LoadError]] = []
        seen: dict[Path, _Source] = {}
        for folder in self.folders:
            try:
                paths = sources(folder)
            except LoadError as error:
                results.append((folder, error))
                continue
            for path in paths:
                try:
                    seen[path] = self._load(path)
                    _by_name(seen)
                    results.append((path, seen[path].functions))
                except LoadError as error:
                    seen.pop(path, None)
                    results.append((path, error))
        return results

    def _paths(self) -> list[Path]:
        return [path for folder in self.folders for path in sources(folder)]

    def _load(self, path: Path) -> _Source:
        state = state_of(path)
        return _Source(state, tuple(self._versions.versioned(each, path) for each in load(path)))

    def _refresh(self, path: Path) -> None:
        """Load a file again if it changed; keep what it held if it fails."""
        state = state_of(path)
        old = self._sources.get(path)
        if old is not None and old.state == state:
            self._refused.pop(path, None)
            return
        if path in self._refused and self._refused[path][0] == state:
            return
        try:
            new = self._load(path)
            _by_name(self._sources | {path: new})
        except LoadError as error:
            self._refused[path] = (state, error)
            return
        self._refused.pop(path, None)
        self._sources[path] = _Source(new.state, _kept(new.functions, old))


def _kept(new: Sequence[Function], old: _Source | None) -> tuple[Function, ...]:
    """The new functions, but the old value where the version is the same: nothing is compiled again."""
    same = {(each.name, each.version): each for each in (old.functions if old else ())}
    return tuple(same.get((each.name, each.version), each) for each in new)


def _by_name(loaded: Mapping[Path, _Source]) -> dict[str, Function]:
    functions: dict[str, Function] = {}
    origin: dict[str, Path] = {}
    for path, source in loaded.items():
        for each in source.functions:
            if each.name in functions and functions[each.name] is not each:
                raise LoadError(
                    path, f"declares {each.name!r} a second time; {origin[each.name]} has one too"
                )
            functions[each.name], origin[each.name] = each, path
    return dict(sorted(functions.items()))


def _difference(before: Mapping[str, Function], after: Mapping[str, Function]) -> Reloaded:
    return Reloaded(
        tuple(each for name, each in after.items() if before.get(name) is not each),
        tuple(each for name, each in before.items() if after.get(name) is not each),
    )
