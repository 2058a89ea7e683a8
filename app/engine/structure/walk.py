"""A jaxpr and its inputs -> its outputs, with a zero tap behind every place where a leaf enters.

The walk evaluates f as it stands. Where an equation only moves a leaf's entries, the view moves with them;
where a rule knows the equation, the tap lies behind it and the other operand is kept; anywhere else the tap
lies on the leaf's own value, whose gradient then is explicit. Which rules there are, ``rules`` says.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, ShapeDtypeStruct
from jax.extend import core
from jax.extend.core import primitives

from app.engine.signature import floating
from app.engine.structure import control
from app.engine.structure.equations import evaluated, opened
from app.engine.structure.rules import RULES
from app.engine.structure.rules.views import joined, moved, padded, parted
from app.engine.structure.uses import Use, explicit
from app.engine.structure.values import LinearView, Value, spread, varying

_SCALES = {primitives.mul_p: (0, 1), primitives.div_p: (0,)}
_SUMS = (primitives.add_p, primitives.sub_p)
_ELEMENTWISE = (*_SUMS, *_SCALES)  # operands of size 1 along an axis are repeated along it
_SPLIT, _STOP = "split", "stop_gradient"  # have no public names


class Walk:
    """One pass over f.

    Args:
        taps: the taps in the order of their places; None for zeros, to learn their shapes.
    """

    def __init__(self, taps: Sequence[Array] | None = None) -> None:
        self._given = taps
        self.taps: list[Array] = []
        self.uses: list[Use] = []

    @classmethod
    def taps_of(cls, run: Callable[["Walk", Any], Any], arrays: Any) -> list[ShapeDtypeStruct]:
        """Shapes of the taps that ``run(walk, arrays)`` makes; nothing is computed."""
        walk = cls()
        jax.eval_shape(lambda given: (run(walk, given), None)[1], arrays)
        return [ShapeDtypeStruct(tap.shape, tap.dtype) for tap in walk.taps]

    def run(self, jaxpr: Any, consts: Sequence[Any], inputs: Sequence[Value]) -> list[Value]:
        """Evaluate a jaxpr.

        Args:
            jaxpr: open.
            consts: its constants.
            inputs: a value for each of its inputs.
        """
        known = dict(zip(jaxpr.invars, inputs, strict=True))
        known.update(
            (var, Value(jnp.asarray(const))) for var, const in zip(jaxpr.constvars, consts, strict=True)
        )
        for equation in jaxpr.eqns:
            values = [_read(known, atom) for atom in equation.invars]
            known.update(zip(equation.outvars, self._step(equation, values), strict=True))
        return [_read(known, atom) for atom in jaxpr.outvars]

    def settle(self, value: Value, reason: str) -> Value:
        """The value with a tap on itself where it is a view: from here on its gradient is explicit."""
        if not value.views:
            return value
        return self.tapped(value, [explicit(view, reason) for view in value.views])

    def tapped(self, value: Value, uses: Sequence[Use]) -> Value:
        """The value with a tap on it, and no views any more; the uses see the tap's cotangent."""
        tap = self.new_tap(value.array.shape, value.array.dtype)
        self.uses += [replace(use, tap=len(self.taps) - 1) for use in uses]
        return Value(value.array + tap, (), value.varies)

    def new_tap(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """The next tap."""
        tap = jnp.zeros(shape, dtype) if self._given is None else self._given[len(self.taps)]
        self.taps.append(tap)
        return tap

    def _step(self, equation: Any, values: list[Value]) -> list[Value]:
        primitive = equation.primitive
        if not any(value.views for value in values):
            return self._plain(equation, values)
        if primitive.name == _STOP or not any(floating(var.aval) for var in equation.outvars):
            return self._plain(equation, [replace(value, views=()) for value in values])  # no derivative
        if primitive is primitives.jit_p:
            return self.run(*opened(equation.params["jaxpr"]), values)
        if primitive is primitives.scan_p:
            return control.scan(self, equation, values)
        if primitive is primitives.remat_p:
            return control.checkpoint(self, equation, values)
        if primitive in _ELEMENTWISE:
            values = [spread(value, equation.outvars[0].aval.shape) for value in values]
        return self._as_views(equation, values) or self._by_rule(equation, values)

    def _plain(self, equation: Any, values: Sequence[Value]) -> list[Value]:
        arrays = evaluated(equation, [value.array for value in values])
        varies = varying(values)
        scalar = None
        if equation.primitive is primitives.broadcast_in_dim_p:
            scalar = values[0].array if values[0].array.ndim == 0 else None
            scalar = scalar if values[0].scalar is None else values[0].scalar
        return [Value(array, (), varies, scalar) for array in arrays]

    def _as_views(self, equation: Any, values: Sequence[Value]) -> list[Value] | None:
        """The outputs, where views go through as views."""
        views = _views_behind(equation, values)
        if views is None:
            return None
        outputs = self._plain(equation, values)
        return [replace(value, views=own, scalar=None) for value, own in zip(outputs, views, strict=True)]

    def _by_rule(self, equation: Any, values: list[Value]) -> list[Value]:
        rule = RULES.get(equation.primitive)
        name = equation.primitive.name
        uses: list[Use] = []
        for position, value in enumerate(values):
            if not value.views:
                continue
            arrays = [each.array for each in values]
            signed = _signed(equation.primitive, position, value.views)
            own = [rule and rule(view, position, arrays, equation.params) for view in signed]
            found = [use for use in own if use is not None]
            if len(found) == len(signed):
                uses += found
            else:
                values[position] = self.settle(value, f"it enters {name}")
        (output, *rest) = self._plain(equation, values)
        return [self.tapped(output, uses) if uses else output, *rest]


def _read(known: dict[Any, Value], atom: Any) -> Value:
    if not isinstance(atom, core.Literal):
        return known[atom]
    aval: Any = atom.aval
    array = jnp.asarray(atom.val, aval.dtype)
    return Value(array, scalar=float(atom.val) if array.ndim == 0 and floating(aval) else None)


def _signed(primitive: Any, position: int, views: Sequence[LinearView]) -> list[LinearView]:
    minus = primitive is primitives.sub_p and position == 1
    return [replace(view, scale=-view.scale) if minus else view for view in views]


def _views_behind(equation: Any, values: Sequence[Value]) -> list[tuple[LinearView, ...]] | None:
    """For each output the views of leaves that it is a sum of; None where they do not go through."""
    primitive, params, views = equation.primitive, equation.params, values[0].views
    if primitive is primitives.neg_p:
        return [tuple(replace(view, scale=-view.scale) for view in views)]
    if primitive in _SCALES:
        return _scaled(primitive, values)
    if primitive in _SUMS:
        return _summed(primitive, values)
    if primitive is primitives.pad_p and not values[1].views:
        return _all([[padded(view, params["padding_config"]) for view in views]])
    if primitive is primitives.concatenate_p:
        return _concatenated(params["dimension"], values)
    if primitive.name == _SPLIT:
        parts = [parted(view, params["sizes"], params["axis"]) for view in views]
        return [tuple(part[number] for part in parts) for number in range(len(equation.outvars))]
    return _all([[moved(view, primitive, params) for view in views]]) if len(values) == 1 else None


def _all(views: list[list[LinearView | None]]) -> list[tuple[LinearView, ...]] | None:
    found = [tuple(view for view in own if view is not None) for own in views]
    return found if [len(own) for own in found] == [len(own) for own in views] else None


def _scaled(primitive: Any, values: Sequence[Value]) -> list[tuple[LinearView, ...]] | None:
    """Views behind a product with one number, the same for all examples."""
    for position in _SCALES[primitive]:
        value, other = values[position], values[1 - position]
        number = other.scalar
        if primitive is primitives.div_p and isinstance(number, float) and number == 0:
            return None
        if value.views and not other.views and not other.varies and number is not None:
            factor = number if primitive is primitives.mul_p else 1 / number
            return [tuple(replace(view, scale=view.scale * factor) for view in value.views)]
    return None


def _summed(primitive: Any, values: Sequence[Value]) -> list[tuple[LinearView, ...]] | None:
    """Views behind a sum with views, or with what is the same for all examples."""
    if any(value.varies and not value.views for value in values):
        return None
    return [tuple(view for at, value in enumerate(values) for view in _signed(primitive, at, value.views))]


def _concatenated(axis: int, values: Sequence[Value]) -> list[tuple[LinearView, ...]] | None:
    """Views behind ``concatenate`` with views, or with what is the same for all examples."""
    if any(value.varies and not value.views for value in values):
        return None
    shapes = [value.array.shape for value in values]
    return [tuple(joined(view, shapes, at, axis) for at, value in enumerate(values) for view in value.views)]
