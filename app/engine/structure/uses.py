r"""One use of a leaf: the operand that it meets, and how the cotangent behind it is to be seen.

$\partial f_o / \partial\theta = \sum_s A_{esc}\, G_{oesf}$, with $\theta$ seen as ``[E, C, F]``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from jax import Array

from app.engine.structure.values import LinearView
from app.engine.structure.windows import Windows

Arrange = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Use:
    """A leaf enters f at one place.

    Args:
        leaf: which leaf.
        size: scalars of the leaf.
        index: ``[E, C, F]`` places in the flat leaf; for a look-up ``[V, F]`` of the whole table.
        a: ``[E, S, C]`` the other operand; ``[S]`` integers for a look-up; None for ones, with S = C = 1.
        arrange: the tap's cotangent -> ``[E, S, F]``.
        tap: number of the tap.
        windows: how the rows of ``a`` lie in images, where they are patches of windows side by side.
        behind: whether features E lie behind positions S in the tap: rows of features are in one piece.
        places: of a summand, for each entry of the tap its place in the flat leaf; None where not known.
        reason: why the leaf's gradient is explicit here; empty where it is factored.
    """

    leaf: int
    size: int
    index: np.ndarray
    a: Array | None
    arrange: Arrange
    tap: int = -1
    windows: Windows | None = None
    behind: bool = False
    places: np.ndarray | None = None
    reason: str = ""

    @property
    def looks_up(self) -> bool:
        """Whether ``a`` holds rows of a table rather than factors."""
        return self.a is not None and self.a.ndim == 1


@dataclass(frozen=True)
class Axes:
    """Numbers of axes by role: θ is ``[*e, *c, *f]``, A ``[*e, *s, *c]``, the cotangent ``[*e, *s, *f]``."""

    e: int = 0
    s: int = 0
    c: int = 0
    f: int = 0


def factored(
    view: LinearView, index: np.ndarray, axes: Axes, a: Array | None, arrange: Arrange
) -> Use | None:
    """A use in its normal form, or None where repeated places are not whole axes.

    Axes along which θ only repeats itself carry no gradient of their own: a repeated axis of E is one more
    of S, one of C is summed in A, one of F is summed in the cotangent.

    Args:
        view: of the leaf.
        index: its places, ``[*e, *c, *f]``.
        axes: numbers of axes of each role.
        a: ``[*e, *s, *c]``, or None for ones with no axes e, s and c.
        arrange: the tap's cotangent -> ``[*e, *s, *f]``.
    """
    repeated = _repeated(index) if view.repeats else frozenset()
    e_kept, e_gone = _split(range(axes.e), repeated)
    c_kept, c_gone = _split(range(axes.e, axes.e + axes.c), repeated)
    f_kept, f_gone = _split(range(axes.e + axes.c, index.ndim), repeated)
    kept = index[tuple(0 if axis in repeated else slice(None) for axis in range(index.ndim))]
    e, c, f = (len(part) for part in (e_kept, c_kept, f_kept))
    index = _grouped(kept, (e, c, f))
    if view.repeats and len(np.unique(index)) != index.size:
        return None
    crop = _rectangle(index) if view.partial else None
    if view.partial and crop is None:
        return None

    s = range(axes.e, axes.e + axes.s)

    def see_a(array: Array) -> Array:
        array = array.sum([axis + axes.s for axis in c_gone])
        rest = range(axes.e + axes.s, array.ndim)
        array = _grouped_array(array.transpose(*e_kept, *e_gone, *s, *rest), e, len(e_gone) + axes.s)
        return array if crop is None else array[crop[0]][:, :, crop[1]]

    minus = view.scale if a is None and isinstance(view.scale, float) else 1.0

    def see_g(cotangent: Array) -> Array:
        array = arrange(cotangent)
        array = array.sum([axis - axes.c + axes.s for axis in f_gone])
        rest = range(axes.e + axes.s, array.ndim)
        array = _grouped_array(array.transpose(*e_kept, *e_gone, *s, *rest), e, len(e_gone) + axes.s)
        array = array if minus == 1 else array * minus
        return array if crop is None else array[crop[0]][:, :, crop[2]]

    if crop is not None:
        index = index[np.ix_(*crop)]
    features = [axis for axis in e_kept if view.index.shape[axis] > 1]
    behind = bool(e_gone) and min(features, default=-1) > max(e_gone)
    operand = _scaled(a if a is None else see_a(a), view.scale)
    return Use(view.leaf, view.size, index, operand, see_g, behind=behind)


def explicit(view: LinearView, reason: str) -> Use:
    """The gradient of a leaf itself: the tap lies on the view, its cotangent is summed into the places."""
    use = factored(view, view.index, Axes(f=view.index.ndim), None, lambda g: g)
    if use is not None:
        return replace(use, reason=reason)
    scale, size = view.scale if isinstance(view.scale, float) else 1.0, view.size
    places = np.where(view.index < 0, view.size, view.index).reshape(-1)

    def add_up(cotangent: Array) -> Array:
        sums = jnp.zeros(size, cotangent.dtype).at[places].add(cotangent.reshape(-1), mode="drop")
        return (sums * scale).reshape(1, 1, -1)

    index = np.arange(view.size, dtype=np.int32).reshape(1, 1, -1)
    return Use(view.leaf, view.size, index, _scaled(None, view.scale), add_up, reason=reason)


def _scaled(a: Array | None, scale: Array | float) -> Array | None:
    if isinstance(scale, float):
        return a if a is None or scale == 1 else a * scale
    ones = jnp.reshape(scale, (1, 1, 1))
    return ones if a is None else a * ones.astype(a.dtype)


def _split(axes: range, repeated: frozenset[int]) -> tuple[list[int], list[int]]:
    return [axis for axis in axes if axis not in repeated], [axis for axis in axes if axis in repeated]


def _repeated(index: np.ndarray) -> frozenset[int]:
    """Axes along which the places do not change."""
    return frozenset(
        axis
        for axis, size in enumerate(index.shape)
        if size > 1 and bool((index == index.take([0], axis)).all())
    )


def _grouped(index: np.ndarray, counts: tuple[int, int, int]) -> np.ndarray:
    """``[*e, *c, *f]`` as ``[E, C, F]``."""
    e, c, _ = counts
    shape = index.shape
    sizes = [int(np.prod(part, dtype=np.int64)) for part in (shape[:e], shape[e : e + c], shape[e + c :])]
    return index.reshape(sizes)


def _grouped_array(array: Array, e: int, s: int) -> Array:
    """``[*e, *s, *rest]`` as ``[E, S, rest]``."""
    shape = array.shape
    sizes = [int(np.prod(part, dtype=np.int64)) for part in (shape[:e], shape[e : e + s], shape[e + s :])]
    return array.reshape(sizes)


def _rectangle(index: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The places that are the leaf's, as indices into E, C and F; None where they are no rectangle."""
    there = index >= 0
    sides = tuple(np.flatnonzero(there.any(axis)) for axis in ((1, 2), (0, 2), (0, 1)))
    return sides if there[np.ix_(*sides)].all() and all(map(len, sides)) else None  # type: ignore[return-value]
