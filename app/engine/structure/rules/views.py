r"""Equations that only move, repeat, leave out or join entries: a view of a leaf goes through as a view.

$y = P\,\theta$ with P a matrix of zeros and ones: the same moves are made on the places.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jax.extend.core import primitives

from app.engine.structure.values import LinearView

Move = Callable[[np.ndarray, Mapping[str, Any]], np.ndarray]


def _broadcast(index: np.ndarray, params: Mapping[str, Any]) -> np.ndarray:
    shape, places = params["shape"], params["broadcast_dimensions"]
    sizes = [1] * len(shape)
    for axis, place in enumerate(places):
        sizes[place] = index.shape[axis]
    return np.broadcast_to(index.reshape(sizes), shape)


def _slice(index: np.ndarray, params: Mapping[str, Any]) -> np.ndarray:
    strides = params["strides"] or (1,) * index.ndim
    starts, limits = params["start_indices"], params["limit_indices"]
    return index[tuple(slice(*bounds) for bounds in zip(starts, limits, strides, strict=True))]


MOVES: Mapping[Any, Move] = {
    primitives.reshape_p: lambda index, params: index.reshape(params["new_sizes"]),
    primitives.transpose_p: lambda index, params: index.transpose(params["permutation"]),
    primitives.squeeze_p: lambda index, params: index.squeeze(tuple(params["dimensions"])),
    primitives.broadcast_in_dim_p: _broadcast,
    primitives.slice_p: _slice,
    primitives.rev_p: lambda index, params: np.flip(index, tuple(params["dimensions"])),
    primitives.convert_element_type_p: lambda index, _: index,
    primitives.copy_p: lambda index, _: index,
    primitives.device_put_p: lambda index, _: index,
}


def moved(view: LinearView, primitive: Any, params: Mapping[str, Any]) -> LinearView | None:
    """A view behind an equation of one operand, or None where the equation does not only move entries."""
    move = MOVES.get(primitive)
    if move is None:
        return None
    index = move(view.index, params)
    repeats = view.repeats or index.size > view.index.size
    return replace(view, index=index, repeats=repeats)


def padded(view: LinearView, config: Sequence[tuple[int, int, int]]) -> LinearView | None:
    """A view behind ``pad`` by a constant; None where entries are cut off or spread."""
    if any(low < 0 or high < 0 or inside for low, high, inside in config):
        return None
    index = np.pad(view.index, [(low, high) for low, high, _ in config], constant_values=-1)
    return replace(view, index=index, partial=True)


def joined(view: LinearView, shapes: Sequence[tuple[int, ...]], position: int, axis: int) -> LinearView:
    """A view behind ``concatenate``: at ``position`` among operands of these shapes."""
    parts = [np.broadcast_to(np.int32(-1), shape) for shape in shapes]
    parts[position] = view.index
    return replace(view, index=np.concatenate(parts, axis), partial=view.partial or len(shapes) > 1)


def parted(view: LinearView, sizes: Sequence[int], axis: int) -> list[LinearView]:
    """A view behind ``split``, part by part."""
    stops = np.cumsum([int(size) for size in sizes])[:-1]
    return [replace(view, index=part) for part in np.split(view.index, stops, axis)]
