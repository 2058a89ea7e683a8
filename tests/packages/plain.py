"""A function of any package → an entry for the oracle: its parameters loaded once, arrays alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from app import Function
from tests.zoo import Entry

ARRAYS = (jax.Array, np.ndarray, np.generic, float)


def plain(function: Function, wrts: tuple[str, ...], cannot: tuple[str, ...] = ()) -> Entry:
    """An entry whose parameters are the function's own, with None in the place of what is no array.

    They are loaded once, in the function's own world: with 64-bit types, JAX's random numbers are other ones.

    Args:
        function: as its file declares it.
        wrts: variables that J is taken of.
        cannot: algorithms that cannot do it.
    """
    with jax.enable_x64(function.x64):
        leaves, treedef = jax.tree.flatten(_loaded(function.params))
    arrays = [np.asarray(leaf) if isinstance(leaf, float) else leaf for leaf in leaves]
    held = [isinstance(leaf, ARRAYS) for leaf in leaves]
    tree = treedef.unflatten([leaf if kept else None for leaf, kept in zip(arrays, held, strict=True)])

    def apply(params: Any, x: Any) -> Any:
        given = iter(jax.tree.leaves(params))
        whole = [next(given) if kept else leaf for leaf, kept in zip(leaves, held, strict=True)]
        return function.apply(treedef.unflatten(whole), x)

    # A tree that is callable itself would be taken for a loader.
    made = replace(function, apply=apply, name=function.name, doc=function.doc, params=lambda: tree)
    return Entry(made, wrts, dict.fromkeys(cannot, ""))


def _loaded(params: Any | Callable[[], Any]) -> Any:
    """The tree itself, or what its loader makes; modules of some packages are callable too, and are trees."""
    is_loader = callable(params) and jax.tree.structure(params) == jax.tree.structure(0)
    return params() if is_loader else params
