"""A declaration's parameters → arrays in host memory, by path. Must not touch a device's memory for long.

Loaded once for each declaration, cast to the function's world, and split into leaves that are arrays and
leaves that are not (activation functions, names, Python's own integers and booleans), which the compiled
program closes over.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np

from app.engine.variables import path_of
from app.engine.worlds import world
from app.function import Function, Tree


@dataclass(frozen=True, eq=False)
class Parameters:
    """The leaves of a function's parameters that are arrays, and how to put the tree together again.

    Args:
        arrays: in the order of the tree; NumPy arrays, or JAX arrays of typed PRNG keys.
        paths: components of each array's path.
        cast: paths of float64 arrays that were cast to float32.
    """

    arrays: tuple[Any, ...]
    paths: tuple[tuple[str, ...], ...]
    cast: tuple[tuple[str, ...], ...]
    _skeleton: tuple[Any, ...]
    _treedef: Any

    @property
    def fixed(self) -> tuple[bool | int | str, ...]:
        """The leaves that are no arrays and have a value of their own: numbers and names."""
        return tuple(leaf for leaf in self._skeleton if isinstance(leaf, (bool, int, str)))

    def tree(self, arrays: tuple[Any, ...] | list[Any]) -> Tree:
        """The tree with these arrays in the places of its own."""
        supply = iter(arrays)
        return self._treedef.unflatten([next(supply) if leaf is _HOLE else leaf for leaf in self._skeleton])


_HOLE = object()
_LOADED: WeakKeyDictionary[Callable[[], Tree], dict[bool, Tree]] = WeakKeyDictionary()


def parameters(function: Function) -> Parameters:
    """Load and cast the parameters of a function, the first time; afterwards the same value.

    Raises:
        ValueError: for a leaf that no function can have here, with its path.
        Exception: whatever the function's own loader raises.
    """
    if "parameters" not in function.kept:
        with world(function):
            function.kept["parameters"] = _flatten(_load(function), function.x64)
    return function.kept["parameters"]


def _load(function: Function) -> Tree:
    declared = function.params
    # Modules of several libraries are callable and pytrees at once: only a callable leaf is a loader.
    if not (callable(declared) and jax.tree.structure(declared) == jax.tree.structure(0)):
        return declared
    loaded = _LOADED.setdefault(declared, {})
    if function.x64 not in loaded:
        loaded[function.x64] = declared()
    return loaded[function.x64]


def _flatten(tree: Tree, x64: bool) -> Parameters:
    arrays, paths, cast, skeleton = [], [], [], []
    leaves, treedef = jax.tree_util.tree_flatten_with_path(tree)
    for key_path, leaf in leaves:
        path = path_of(key_path)
        array = _array(leaf, path, x64)
        if array is None:
            skeleton.append(leaf)
            continue
        skeleton.append(_HOLE)
        arrays.append(array)
        paths.append(path)
        if getattr(leaf, "dtype", None) == np.float64 and array.dtype != np.float64:
            cast.append(path)
    return Parameters(tuple(arrays), tuple(paths), tuple(cast), tuple(skeleton), treedef)


def _array(leaf: Any, path: tuple[str, ...], x64: bool) -> Any:
    """The leaf as an array of the function's world, or None if it is no array.

    Python's integers and booleans are configuration: axes, sizes, switches. They have no derivative, and
    where packages leave them in a tree they are read while it is traced.
    """
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return leaf
    if not isinstance(leaf, (jax.Array, np.ndarray, np.generic, float, complex)):
        return None
    array = np.asarray(leaf)
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise ValueError(
            f"params.{'.'.join(path)} is {array.dtype}: complex parameters are not supported; "
            "hold the real and the imaginary part as two arrays and join them in apply"
        )
    if not x64 and array.dtype.itemsize == 8 and array.dtype.kind in "fiu":
        array = array.astype(f"{array.dtype.kind}4")
    return array
