"""One file of a registry → the functions in it, traced and checked. Knows no other file.

A file, or a folder with ``__init__.py`` beside its weights, is imported afresh under a name of its own, so
that a reload never meets half of an old module. JAX's global state is put back as it was.
"""

import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import ModuleType

import jax

from app.engine import Signature
from app.engine.signature import signature
from app.errors import JJTError, LoadError
from app.function import Function

_GENERATION = count()
_VERSION = re.compile(r"[A-Za-z0-9_.+-]{1,64}")


def sources(folder: Path) -> list[Path]:
    """The files and folders of a registry folder that hold functions, sorted by name.

    Raises:
        LoadError: if the folder is not there.
    """
    if not folder.is_dir():
        raise LoadError(folder, "no such folder; set JJT_REGISTRY to folders of functions")
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(("_", ".")):
            continue
        if path.suffix == ".py" or (path / "__init__.py").is_file():
            found.append(path)
    return found


def load(path: Path) -> list[Function]:
    """Import a file and trace the functions in it.

    Raises:
        LoadError: with the path and the reason, whatever went wrong.
    """
    with _unchanged_jax():
        try:
            module = _import(path)
            functions = _functions(module)
            for each in functions:
                _check(signature(each))
        except LoadError:
            raise
        except JJTError as error:
            raise LoadError(path, error.detail) from error
        except Exception as error:
            raise LoadError(path, _reason(error)) from error
        except SystemExit as error:
            raise LoadError(path, f"leaves the process with {error.code!r}") from error
    if not functions:
        raise LoadError(
            path, "declares no function; decorate one with @function, or let the file's name begin with _"
        )
    return functions


def _import(path: Path) -> ModuleType:
    name = f"registry_{next(_GENERATION)}_{re.sub(r'[^A-Za-z0-9_]', '_', path.stem)}"
    package = path.is_dir()
    spec = importlib.util.spec_from_file_location(
        name,
        path / "__init__.py" if package else path,
        submodule_search_locations=[str(path)] if package else None,
    )
    if spec is None or spec.loader is None:
        raise LoadError(path, "is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _functions(module: ModuleType) -> list[Function]:
    values = [value for value in vars(module).values() if isinstance(value, Function)]
    return list(dict.fromkeys(values))


def _check(shapes: Signature) -> None:
    function = shapes.function
    shapes.p(function.wrt)
    if function.version and not _VERSION.fullmatch(function.version):
        raise ValueError(
            f"version {function.version!r} of {function.name} is not of the form {_VERSION.pattern}"
        )


def _reason(error: Exception) -> str:
    """The error's first line, and its kind where that is not said."""
    first = str(error).strip().partition("\n")[0]
    if isinstance(error, NameError) and "unbound axis name" in first:
        return (
            f"{first}: apply is called for one example, and there is no axis of examples to take statistics "
            "over; use stored statistics, as in evaluation mode"
        )
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


@contextmanager
def _unchanged_jax() -> Iterator[None]:
    """Put back JAX's configuration and mesh, which some packages change when they are imported."""
    before, mesh = dict(jax.config.values), jax.sharding.get_mesh()
    try:
        yield
    finally:
        for name, value in before.items():
            if jax.config.values[name] != value:
                jax.config.update(name, value)
        if jax.sharding.get_mesh() != mesh:
            jax.set_mesh(mesh)
