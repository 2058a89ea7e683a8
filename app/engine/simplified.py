"""A jaxpr → what a compiler leaves of it: dead equations dropped, equal ones shared, elementwise ones fused.

An estimate for counting costs; no program is changed. Knows no device.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

VIEWS = frozenset({"reshape", "squeeze", "expand_dims", "stop_gradient", "copy", "copy_p", "device_put"})
# What is computed where it is needed rather than written: cheap enough to be done twice.
_FUSED = frozenset(
    (
        *("add", "add_any", "sub", "mul", "div", "neg", "max", "min", "abs", "sign", "square", "integer_pow"),
        *(
            "pow",
            "clamp",
            "select_n",
            "convert_element_type",
            "eq",
            "ne",
            "lt",
            "le",
            "gt",
            "ge",
            "and",
            "or",
        ),
        *(
            "not",
            "xor",
            "is_finite",
            "floor",
            "ceil",
            "round",
            "exp",
            "log",
            "tanh",
            "logistic",
            "sin",
            "cos",
        ),
        *("erf", "sqrt", "rsqrt", "broadcast_in_dim", "iota", "slice", "pad"),
    )
)
_REDUCING = ("reduce_", "argm")
_ALIGNMENT = 64


@dataclass(frozen=True)
class Simplified:
    """What is left of a jaxpr.

    Args:
        equations: those that are computed.
        ending: for each of them by place, the values that nobody reads any more after it.
        unwritten: values that are computed where they are read.
    """

    equations: Sequence[Any]
    ending: dict[int, list[Any]]
    unwritten: frozenset[Any]

    def bytes_of(self, var: Any) -> int:
        """Bytes that a value takes."""
        return 0 if var in self.unwritten else bytes_of(var.aval)


def simplified(jaxpr: Any) -> Simplified:
    """Simplify an open jaxpr, not what is nested in it."""
    equations, same = _shared(_alive(jaxpr))
    outputs = {same.get(var, var) for var in jaxpr.outvars if not isinstance(var, core.Literal)}
    readers: dict[Any, list[Any]] = {}
    for equation in equations:
        for var in _read(equation, same):
            readers.setdefault(var, []).append(equation)
    unwritten = frozenset(
        var
        for equation in equations
        for var in equation.outvars
        if equation.primitive.name in VIEWS
        or (
            equation.primitive.name in _FUSED
            and var not in outputs
            and all(_fuses(reader) for reader in readers.get(var, ()))
        )
    )
    return Simplified(equations, _ending(equations, same, outputs, unwritten), unwritten)


def _alive(jaxpr: Any) -> list[Any]:
    """The equations that an output depends on."""
    wanted = {var for var in jaxpr.outvars if not isinstance(var, core.Literal)}
    kept = []
    for equation in reversed(jaxpr.eqns):
        if equation.effects or any(var in wanted for var in equation.outvars):
            kept.append(equation)
            wanted.update(var for var in equation.invars if not isinstance(var, core.Literal))
    return kept[::-1]


def _shared(equations: Sequence[Any]) -> tuple[list[Any], dict[Any, Any]]:
    """Equations without repetitions, and for values that are others under another name, which."""
    same: dict[Any, Any] = {}
    known: dict[Any, Any] = {}
    kept = []
    for equation in equations:
        nested = any(True for _ in core.jaxprs_in_params(equation.params))
        operands = tuple(
            repr(atom) if isinstance(atom, core.Literal) else same.get(atom, atom) for atom in equation.invars
        )
        key = None if nested else (equation.primitive, operands, repr(equation.params))
        if key is not None and key in known:
            same.update(zip(equation.outvars, known[key], strict=True))
            continue
        if key is not None:
            known[key] = [same.get(var, var) for var in equation.outvars]
        if equation.primitive.name in VIEWS and not isinstance(equation.invars[0], core.Literal):
            known[key] = [operands[0]]
            same[equation.outvars[0]] = operands[0]
            continue
        kept.append(equation)
    return kept, same


def _read(equation: Any, same: dict[Any, Any]) -> list[Any]:
    return [same.get(atom, atom) for atom in equation.invars if not isinstance(atom, core.Literal)]


def _fuses(equation: Any) -> bool:
    name = equation.primitive.name
    return name in _FUSED or name.startswith(_REDUCING)


def _ending(
    equations: Sequence[Any], same: dict[Any, Any], outputs: set[Any], unwritten: frozenset[Any]
) -> dict[int, list[Any]]:
    """Where each value is read for the last time; what is fused reads where it is read itself."""
    last: dict[Any, int] = dict.fromkeys(outputs, len(equations))
    for index in range(len(equations) - 1, -1, -1):
        equation = equations[index]
        until = index
        for var in equation.outvars:
            if var in unwritten:
                until = max(until, last.get(var, index))
            else:
                last.setdefault(var, index)
        for var in _read(equation, same):
            last[var] = max(last.get(var, 0), until)
    ending: dict[int, list[Any]] = {}
    made = {var for equation in equations for var in equation.outvars}
    for var, index in last.items():
        if var in made:
            ending.setdefault(index, []).append(var)
    return ending


def bytes_of(aval: Any) -> int:
    """Bytes of an array as a device holds it."""
    dtype = getattr(aval, "dtype", None)
    if dtype is None:
        return 0
    if jnp.issubdtype(dtype, jax.dtypes.extended):
        itemsize = 8
    else:
        # Devices without 16-bit arithmetic hold a float32 copy beside each such float.
        itemsize = 6 if jnp.issubdtype(dtype, jnp.floating) and dtype.itemsize == 2 else dtype.itemsize
    return -(-prod(getattr(aval, "shape", ())) * itemsize // _ALIGNMENT) * _ALIGNMENT
