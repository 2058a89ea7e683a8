r"""Elementwise equations: a bias has the cotangent as its gradient, a scale meets its factor.

add, sub    G alone, summed over the axes along which θ is repeated
mul, div    $y_e = a_e\,\theta_e$: all axes are E, those along which θ is repeated are S
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jax import Array

from app.engine.structure.uses import Axes, Use, factored
from app.engine.structure.values import LinearView


def addition(
    view: LinearView, _position: int, _arrays: Sequence[Array], _params: Mapping[str, Any]
) -> Use | None:
    """A leaf as a summand; of ``sub`` its second operand comes as a view of scale -1."""
    use = factored(view, view.index, Axes(f=view.index.ndim), None, lambda cotangent: cotangent)
    plain = not view.partial and isinstance(view.scale, float) and abs(view.scale) == 1
    return replace(use, places=view.index) if use is not None and plain else use


def multiplication(
    view: LinearView, position: int, arrays: Sequence[Array], _params: Mapping[str, Any]
) -> Use | None:
    """A leaf as a factor."""
    return _scaled_by(view, arrays[1 - position])


def division(
    view: LinearView, position: int, arrays: Sequence[Array], _params: Mapping[str, Any]
) -> Use | None:
    """A leaf as the numerator; None for a denominator."""
    return _scaled_by(view, 1 / arrays[1]) if position == 0 else None


def _scaled_by(view: LinearView, other: Array) -> Use | None:
    if other.shape != view.index.shape:
        return None
    return factored(view, view.index, Axes(e=view.index.ndim), other, lambda cotangent: cotangent)
