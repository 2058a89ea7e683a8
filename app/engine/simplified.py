"""A jaxpr → what a compiler leaves: calls inlined, dead equations dropped, equal ones shared, others fused.

An estimate for counting costs; no program is changed. Knows no device.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

_VIEWS = frozenset(
    {
        "reshape",
        "squeeze",
        "expand_dims",
        "stop_gradient",
        "copy",
        "copy_p",
        "device_put",
        "optimization_barrier",
    }
)
# What is computed where it is needed rather than written: in any number of places, or in one.
DEAR = frozenset(("div", "exp", "log", "tanh", "logistic", "sin", "cos", "erf", "pow", "sqrt", "rsqrt"))
_CHEAP = frozenset(
    (
        *("add", "add_any", "sub", "mul", "neg", "max", "min", "abs", "sign", "square", "integer_pow"),
        *("clamp", "select_n", "convert_element_type", "eq", "ne", "lt", "le", "gt", "ge"),
        *("and", "or", "not", "xor", "is_finite", "floor", "ceil", "round"),
        *("broadcast_in_dim", "iota", "slice", "transpose"),
    )
)
FUSED = _CHEAP | DEAR | {"pad"}
# Of a library, or a program of its own: a loop around it is taken step by step.
_APART = frozenset({"dot_general", "conv_general_dilated", "sort", "top_k", "fft", "custom_linear_solve"})
_CALLS = frozenset({"jit", "closed_call", "custom_jvp_call", "custom_vjp_call"})  # inlined by compilers
_REDUCING = ("reduce_", "argm")
_KEEPING = frozenset({"reduce_sum", "reduce_max", "reduce_min", "reduce_prod"})
_ALIGNMENT = 64
_SUMMED_AT_ONCE = 32  # along one axis; more are summed in a tree, which reads what was written


@dataclass(frozen=True)
class Simplified:
    """What is left of a jaxpr.

    Args:
        equations: those that are computed.
        reads: for each of them, the values that it reads, through those that are not written.
        unwritten: values that are computed where they are read.
        outputs: values that are results.
    """

    equations: Sequence[Any]
    reads: Sequence[tuple[Any, ...]]
    unwritten: frozenset[Any]
    outputs: frozenset[Any]

    def bytes_of(self, var: Any) -> int:
        """Bytes that a value takes."""
        return 0 if var in self.unwritten else bytes_of(var.aval)

    def writes(self, equation: Any) -> bool:
        """Whether an equation is a step of its own, rather than computed where it is read."""
        return not self.unwritten.issuperset(equation.outvars)

    def known(self, constants: Iterable[Any]) -> set[Any]:
        """Constants, and values that depend on nothing else: compilers compute these before a loop."""
        known = set(constants)
        for equation, read in zip(self.equations, self.reads, strict=True):
            if not equation.effects and known.issuperset(read):
                known.update(equation.outvars)
        return known


def in_one_piece(jaxpr: Any) -> bool:
    """Whether a compiler may make one piece of code of a loop around an open jaxpr."""
    return all(
        equation.primitive.name not in _APART and all(map(in_one_piece, bodies_of(equation)))
        for equation in jaxpr.eqns
    )


def simplified(jaxpr: Any) -> Simplified:
    """Simplify an open jaxpr, not the loops and branches in it."""
    names: dict[Any, Any] = {}
    inlined = list(_inlined(jaxpr, names))
    results = [_named(atom, names) for atom in jaxpr.outvars]
    wanted = {atom for atom in results if not isinstance(atom, core.Literal)}
    equations, same = _shared(_alive(inlined, wanted))
    outputs = frozenset(same.get(var, var) for var in wanted)
    unwritten = frozenset(_fused(equations, same, outputs))
    return Simplified(equations, _through(equations, same, unwritten), unwritten, outputs)


def _fused(equations: Sequence[Any], same: dict[Any, Any], outputs: frozenset[Any]) -> Iterator[Any]:
    """Values that are computed where they are read."""
    ends: dict[Any, set[int]] = {}  # the equations that a value ends up in
    fusing: dict[Any, bool] = {}
    summed: set[Any] = set()  # values that are reduced, as they are or after they were changed
    for number in range(len(equations) - 1, -1, -1):
        equation, made = equations[number], equations[number].outvars
        into = set().union(*(ends.get(var, ()) for var in made))
        once = len(into) <= 1 or equation.primitive.name in _CHEAP
        fused = equation.primitive.name in FUSED and not outputs.intersection(made)
        reduced = not summed.isdisjoint(made)
        taken = all(fusing.get(var, True) for var in made) and not (reduced and _truth_as_numbers(equation))
        unwritten = fused and once and taken
        if unwritten:
            yield from made
        for var in _read(equation, same):
            ends.setdefault(var, set()).update(into if unwritten else (number,))
            fusing[var] = fusing.get(var, True) and _fuses(equation)
            if equation.primitive.name.startswith(_REDUCING) or (unwritten and reduced):
                summed.add(var)


def _truth_as_numbers(equation: Any) -> bool:
    """Whether an equation makes numbers of what a comparison gave: libraries that sum up take numbers."""
    name = equation.primitive.name
    return name == "convert_element_type" and equation.invars[0].aval.dtype == jnp.bool_


def _through(
    equations: Sequence[Any], same: dict[Any, Any], unwritten: frozenset[Any]
) -> list[tuple[Any, ...]]:
    """What each equation reads, where what is not written stands for what it reads itself."""
    sources: dict[Any, tuple[Any, ...]] = {}
    reads = []
    for equation in equations:
        read = (source for var in _read(equation, same) for source in sources.get(var, (var,)))
        reads.append(tuple(dict.fromkeys(read)))
        sources.update({var: reads[-1] for var in equation.outvars if var in unwritten})
    return reads


def _inlined(jaxpr: Any, names: dict[Any, Any]) -> Iterator[Any]:
    """The equations with those of calls in their place, each call's under names of its own.

    Args:
        jaxpr: open.
        names: by which its inputs are known; those of all that it computes are added.
    """
    for equation in jaxpr.eqns:
        read = [_named(atom, names) for atom in equation.invars]
        bodies = bodies_of(equation) if equation.primitive.name in _CALLS else []
        if len(bodies) == 1:
            (body,) = bodies
            inner = dict(zip(body.invars, read, strict=True))
            yield from _inlined(body, inner)
            made = [_named(atom, inner) for atom in body.outvars]
        else:
            made = [core.Var(var.aval) for var in equation.outvars]
            yield equation.replace(invars=read, outvars=made)
        names.update(zip(equation.outvars, made, strict=True))


def _named(atom: Any, names: dict[Any, Any]) -> Any:
    return atom if isinstance(atom, core.Literal) else names.get(atom, atom)


def _alive(equations: Sequence[Any], outputs: Iterable[Any]) -> list[Any]:
    """The equations that an output depends on."""
    wanted = set(outputs)
    kept = []
    for equation in reversed(equations):
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
        nested = bool(bodies_of(equation))
        operands = tuple(
            repr(atom) if isinstance(atom, core.Literal) else same.get(atom, atom) for atom in equation.invars
        )
        key = None if nested else (equation.primitive, operands, _parameters(equation))
        if key is not None and key in known:
            same.update(zip(equation.outvars, known[key], strict=True))
            continue
        if key is not None:
            known[key] = [same.get(var, var) for var in equation.outvars]
        if is_view(equation) and not isinstance(equation.invars[0], core.Literal):
            known[key] = [operands[0]]
            same[equation.outvars[0]] = operands[0]
            continue
        kept.append(equation)
    return kept, same


def is_view(equation: Any) -> bool:
    """Whether the result is its operand, element by element in the same order."""
    name = equation.primitive.name
    if name in _VIEWS:
        return True
    if name == "broadcast_in_dim":
        return size_of(equation.invars[0].aval) == size_of(equation.outvars[0].aval)
    shape = getattr(equation.invars[0].aval, "shape", ()) if equation.invars else ()
    if name == "transpose":
        moved = [axis for axis in equation.params["permutation"] if shape[axis] != 1]
        return moved == sorted(moved)
    if name.startswith(_REDUCING) and "axes" in equation.params:
        return name in _KEEPING and all(shape[axis] == 1 for axis in equation.params["axes"])
    return False


def _parameters(equation: Any) -> str:
    """What tells an equation from others on the same operands, however these are shaped."""
    if equation.primitive.name != "dot_general":
        return repr(equation.params)
    contracted, batched = equation.params["dimension_numbers"]
    rest = {name: value for name, value in equation.params.items() if name != "dimension_numbers"}
    sides = zip(equation.invars, contracted, batched, strict=True)
    return repr(([_roles(operand.aval.shape, inner, batch) for operand, inner, batch in sides], rest))


def _roles(shape: Sequence[int], inner: Sequence[int], batch: Sequence[int]) -> list[tuple[str, int]]:
    """Axes of an operand by what they are in a product, neighbours of one kind as one, those of 1 dropped."""
    roles: list[tuple[str, int]] = []
    for axis, size in enumerate(shape):
        role = "inner" if axis in inner else "batch" if axis in batch else "free"
        if size != 1 and roles and roles[-1][0] == role:
            roles[-1] = (role, roles[-1][1] * size)
        elif size != 1:
            roles.append((role, size))
    return roles


def _read(equation: Any, same: dict[Any, Any]) -> list[Any]:
    return [same.get(atom, atom) for atom in equation.invars if not isinstance(atom, core.Literal)]


def _fuses(equation: Any) -> bool:
    """Whether what an equation reads can be computed in it."""
    name = equation.primitive.name
    if name.startswith(_REDUCING) and "axes" in equation.params:
        shape = equation.invars[0].aval.shape
        return all(shape[axis] <= _SUMMED_AT_ONCE for axis in equation.params["axes"])
    return name in FUSED or name.startswith(_REDUCING)


def bodies_of(equation: Any) -> list[Any]:
    """The open jaxprs that an equation holds: of a call, a loop, or branches."""
    return [getattr(body, "jaxpr", body) for body in core.jaxprs_in_params(equation.params)]


def carry_of(scan: Any, body: Any) -> tuple[int, int]:
    """Where the carry of a scan starts and ends among the inputs of its body.

    JAX versions name it in different ways, or not at all: what has one axis more outside than inside is
    neither carried nor constant.
    """

    def same(outside: Iterable[Any], inside: Iterable[Any]) -> int:
        return sum(len(a.aval.shape) == len(b.aval.shape) for a, b in zip(outside, inside, strict=True))

    end = same(scan.invars, body.invars)
    return end - same(scan.outvars, body.outvars), end


def size_of(aval: Any) -> int:
    """Number of scalars."""
    return prod(getattr(aval, "shape", ()))


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
