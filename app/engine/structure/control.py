"""``scan`` and ``checkpoint``: the walk goes inside, taps and operands come and go as inputs and outputs.

Taps of a scan are further ``xs`` and the operands further ``ys``, so that what is compiled does not grow
with its length. Of a leaf that all steps share, the steps join S; of leaves stacked over steps, they join E.
A leaf in the carry gets a tap of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, ShapeDtypeStruct, lax

from app.engine.simplified import carry_of
from app.engine.structure.equations import opened
from app.engine.structure.uses import Arrange, Use
from app.engine.structure.values import Value, composed, varying, whole_leaf

if TYPE_CHECKING:
    from app.engine.structure.walk import Walk


@dataclass(frozen=True, eq=False)
class _Body:
    """A nested jaxpr whose inputs are leaves of their own where they are views outside."""

    jaxpr: Any
    values: Sequence[Value]

    def run(self, walk: "Walk", arrays: Sequence[Array]) -> list[Array]:
        jaxpr, consts = opened(self.jaxpr)
        inputs = [
            whole_leaf(place, array, value.varies) if value.views else Value(array, (), value.varies)
            for place, (array, value) in enumerate(zip(arrays, self.values, strict=True))
        ]
        outputs = walk.run(jaxpr, consts, inputs)
        return [walk.settle(value, "it is an output of a loop's body").array for value in outputs]


def checkpoint(walk: "Walk", equation: Any, values: Sequence[Value]) -> list[Value]:
    """A rematerialised body, tapped, and wrapped again."""
    values = [_plain(walk, value) for value in values]
    body = _Body(equation.params["jaxpr"], values)
    arrays = [value.array for value in values]
    uses: list[Use] = []

    def tapped(given: list[Array], taps: list[Array]) -> tuple[list[Array], list[Array | None]]:
        inner = type(walk)(taps)
        outputs = body.run(inner, given)
        uses[:] = inner.uses
        return outputs, [use.a for use in inner.uses]

    again = jax.checkpoint(
        tapped, prevent_cse=equation.params["prevent_cse"], policy=equation.params["policy"]
    )
    first = len(walk.taps)
    taps = [walk.new_tap(tap.shape, tap.dtype) for tap in walk.taps_of(body.run, arrays)]
    outputs, operands = again(arrays, taps)
    for use, a in zip(uses, operands, strict=True):
        _adopt(walk, replace(use, a=a), values[use.leaf], first)
    varies = varying(values)
    return [Value(array, (), varies) for array in outputs]


def scan(walk: "Walk", equation: Any, values: Sequence[Value]) -> list[Value]:
    """A scan with taps as further inputs of its steps, and operands as further outputs."""
    params, jaxpr = equation.params, opened(equation.params["jaxpr"])[0]
    constants, start = carry_of(equation, jaxpr)
    values = [_plain(walk, value) for value in values]
    values[constants:start] = [
        walk.settle(each, "it is carried by a scan") for each in values[constants:start]
    ]
    varies = varying(values)
    # What one step makes of an example is in the carry of the next.
    inside = [
        replace(each, varies=varies) if constants <= at < start else each for at, each in enumerate(values)
    ]
    arrays = [each.array for each in values]
    body, uses = _Body(params["jaxpr"], inside), list[Use]()

    def step(carry: list[Array], xs: tuple[list[Array], list[Array]]) -> Any:
        within = type(walk)(xs[1])
        outputs = body.run(within, [*arrays[:constants], *carry, *xs[0]])
        uses[:] = within.uses
        count = len(carry)
        return _cast(outputs[:count], jaxpr.outvars), (outputs[count:], [use.a for use in within.uses])

    first, length = len(walk.taps), params["length"]
    slices = [ShapeDtypeStruct(array.shape[1:], array.dtype) for array in arrays[start:]]
    taps = walk.taps_of(body.run, [*arrays[:start], *slices])
    taps = [walk.new_tap((length, *tap.shape), tap.dtype) for tap in taps]
    carry, (ys, operands) = lax.scan(
        step,
        _cast(arrays[constants:start], jaxpr.outvars),
        (arrays[start:], taps),
        length=length,
        reverse=params["reverse"],
        unroll=params["unroll"],
    )
    for use, a in zip(uses, operands, strict=True):
        one = replace(use, a=a)
        _adopt(walk, _stacked(one, length) if use.leaf >= start else _shared(one), values[use.leaf], first)
    return [Value(array, (), varies) for array in (*carry, *ys)]


def _plain(walk: "Walk", value: Value) -> Value:
    """A value that a body can take for a leaf: places occur once each, and the scale is a number."""
    if all(isinstance(view.scale, float) and not (view.repeats or view.partial) for view in value.views):
        return value
    return walk.settle(value, "it is repeated, padded or scaled before it enters a loop")


def _cast(arrays: Sequence[Array], variables: Sequence[Any]) -> list[Array]:
    pairs = zip(arrays, variables, strict=False)
    return [lax.convert_element_type(array, var.aval.dtype) for array, var in pairs]


def _adopt(walk: "Walk", use: Use, value: Value, first: int) -> None:
    """Take a use of a body's input over to the leaves that the input is a view of."""
    for view in value.views:
        index, arrange = composed(view, use.index), _times(use.arrange, view.scale)
        walk.uses.append(
            replace(
                use,
                leaf=view.leaf,
                size=view.size,
                index=index,
                arrange=arrange,
                tap=first + use.tap,
                places=None,
            )
        )


def _times(arrange: Arrange, scale: Any) -> Arrange:
    return arrange if scale == 1 else lambda cotangent: scale * arrange(cotangent)


def _shared(use: Use) -> Use:
    """A use in each step of one leaf: the steps join S."""
    arrange = use.arrange
    if use.a is None:
        return replace(use, arrange=lambda cotangent: jax.vmap(arrange)(cotangent).sum(0))
    a = use.a.reshape(-1) if use.a.ndim == 2 else _joined(use.a)
    return replace(use, a=a, arrange=lambda cotangent: _joined(jax.vmap(arrange)(cotangent)))


def _stacked(use: Use, length: int) -> Use:
    """A use in each of ``length`` steps of a leaf's slice: the steps join E, of a table the rows."""
    arrange, offsets = use.arrange, use.size * np.arange(length, dtype=np.int32)
    index = offsets.reshape(-1, *[1] * use.index.ndim) + use.index
    index = index.reshape(-1, *use.index.shape[1:])
    if use.a is None or use.a.ndim == 4:
        a = use.a if use.a is None else _merged(use.a)
        return replace(use, a=a, index=index, arrange=lambda g: _merged(jax.vmap(arrange)(g)))
    rows = use.a + use.index.shape[0] * jnp.arange(length, dtype=use.a.dtype)[:, None]
    rows = jnp.where(use.a < 0, use.a, rows).reshape(-1)
    return replace(use, a=rows, index=index, arrange=lambda g: _joined(jax.vmap(arrange)(g)))


def _merged(array: Array) -> Array:
    """``[steps, E, *rest]`` as ``[steps E, *rest]``."""
    return array.reshape(-1, *array.shape[2:])


def _joined(array: Array) -> Array:
    """``[steps, E, S, rest]`` as ``[E, steps S, rest]``."""
    return jnp.moveaxis(array, 0, 1).reshape(array.shape[1], -1, *array.shape[3:])
