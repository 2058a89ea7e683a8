r"""``gather`` and ``dynamic_slice`` along one axis of a table: rows are looked up, $y_{sf} = \theta_{v_s f}$.

A is one-hot in effect: the integers $v_s$ stand for it, and are compared, never spread over the table.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from app.engine.structure.uses import Use
from app.engine.structure.values import LinearView

_NOWHERE = -1


def gather(view: LinearView, position: int, arrays: Sequence[Array], params: Mapping[str, Any]) -> Use | None:
    """A leaf as the table of ``gather`` of whole rows; None for any other gather.

    Args:
        view: of the leaf, as operand ``position``.
        position: 0 for the table.
        arrays: table and places.
        params: of the equation.
    """
    table, places = arrays
    numbers, sizes = params["dimension_numbers"], params["slice_sizes"]
    axes = numbers.start_index_map
    rows_only = len(axes) == 1 and tuple(numbers.collapsed_slice_dims) == tuple(axes)
    if position != 0 or not rows_only or numbers.operand_batching_dims:
        return None
    axis = axes[0]
    if [size for at, size in enumerate(sizes) if at != axis] != list(
        table.shape[:axis] + table.shape[axis + 1 :]
    ):
        return None
    rows = places.reshape(-1)
    length = table.shape[axis]
    if params["mode"] == lax.GatherScatterMode.CLIP:
        rows = jnp.clip(rows, 0, length - 1)
    inside = (rows >= 0) & (rows < length)
    offsets = list(numbers.offset_dims)
    batch = [at for at in range(places.ndim - 1 + len(offsets)) if at not in offsets]

    count = rows.size

    def arrange(cotangent: Array) -> Array:
        return cotangent.transpose(*batch, *offsets).reshape(1, count, -1)

    return _looked_up(view, axis, jnp.where(inside, rows, _NOWHERE), arrange)


def dynamic_slice(
    view: LinearView, position: int, arrays: Sequence[Array], params: Mapping[str, Any]
) -> Use | None:
    """A leaf from which one row is cut at a place that the example says; None for any other cut."""
    table, *starts = arrays
    cut = [axis for axis, size in enumerate(params["slice_sizes"]) if size != table.shape[axis]]
    if position != 0 or len(cut) != 1 or params["slice_sizes"][cut[0]] != 1:
        return None
    row = jnp.clip(starts[cut[0]], 0, table.shape[cut[0]] - 1).reshape(1)
    return _looked_up(view, cut[0], row, lambda cotangent: cotangent.reshape(1, 1, -1))


def _looked_up(view: LinearView, axis: int, rows: Array, arrange: Any) -> Use | None:
    scale = view.scale
    if view.repeats or view.partial or not isinstance(scale, float):
        return None
    length = view.index.shape[axis]
    index = view.index.transpose(axis, *(at for at in range(view.index.ndim) if at != axis))
    return Use(
        view.leaf, view.size, index.reshape(length, -1), rows.astype(jnp.int32), lambda g: scale * arrange(g)
    )
