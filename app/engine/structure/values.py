"""What the walk knows of each value: the array, and which leaves of the variable it is a linear view of.

Knows no equation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import jax.numpy as jnp
import numpy as np
from jax import Array


@dataclass(frozen=True, eq=False)
class LinearView:
    """A value that is, up to a scalar and a constant, a re-indexing of one leaf: v = scale · θ[index] + c.

    Args:
        leaf: which one.
        size: scalars of the leaf.
        index: for each entry of the value its place in the flat leaf; -1 where it is none of the leaf's.
        scale: a number, or an array of shape ``[]``.
        repeats: whether a place may occur twice.
        partial: whether a -1 may occur.
    """

    leaf: int
    size: int
    index: np.ndarray
    scale: Array | float = 1.0
    repeats: bool = False
    partial: bool = False


@dataclass(frozen=True, eq=False)
class Value:
    """A value of the walk.

    Args:
        array: as f computes it.
        views: the leaves that it is a sum of views of; empty for all other values.
        varies: whether it can differ between examples.
        scalar: the number that it repeats, where it repeats one: an array of shape ``[]``, or known already.
    """

    array: Array
    views: tuple[LinearView, ...] = ()
    varies: bool = False
    scalar: Array | float | None = None


def whole_leaf(leaf: int, array: Array, varies: bool) -> Value:
    """A leaf of the variable as the view of itself."""
    index = np.arange(array.size, dtype=np.int32).reshape(array.shape)
    return Value(array, (LinearView(leaf, array.size, index),), varies)


def spread(value: Value, shape: tuple[int, ...]) -> Value:
    """A value as an elementwise equation reads it: repeated along axes that it lacks, or has of size 1."""
    array = value.array
    if array.shape == shape:
        return value
    views = tuple(
        replace(
            view, index=np.broadcast_to(view.index, shape), repeats=view.repeats or array.size != prod(shape)
        )
        for view in value.views
    )
    scalar = array.reshape(()) if value.scalar is None and array.size == 1 else value.scalar
    return Value(jnp.broadcast_to(array, shape), views, value.varies, scalar)


def composed(outer: LinearView, inner: np.ndarray) -> np.ndarray:
    """The places in the outer view's leaf of a view of the outer view; -1 stays -1."""
    return np.where(inner < 0, -1, outer.index.reshape(-1)[inner])


def varying(values: Sequence[Value]) -> bool:
    """Whether any of some values differs between examples."""
    return any(value.varies for value in values)
