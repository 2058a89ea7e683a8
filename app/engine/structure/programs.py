"""f of one example -> two programs: operands and residuals forward, cotangents of the taps backward.

Of each output it is known whether it differs between examples: what does not, gets no batch axis.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend import core

from app.engine.simplified import is_view
from app.engine.structure.uses import Use
from app.engine.structure.values import Value, whole_leaf
from app.engine.structure.walk import Walk
from app.engine.view import View

_KEPT = 64  # views of one function


class Cotangent(NamedTuple):
    """What is behind a tap.

    Args:
        number: the same for those that have the same entries in the same order.
        shape: of the tap.
    """

    number: int
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Programs:
    """The two programs of a view.

    Args:
        view: the function seen from its variable.
        uses: of the leaves, without arrays.
        operand_varies: for each use whether its operand differs between examples.
        cotangent_varies: the same for its cotangent.
        tap_size: scalars of all cotangents of one example and one output.
        cotangents: for each use what is behind its tap.
    """

    view: View
    uses: tuple[Use, ...]
    operand_varies: tuple[bool, ...]
    cotangent_varies: tuple[bool, ...]
    tap_size: int
    cotangents: tuple[Cotangent, ...]
    _forward: Any
    _forward_varies: tuple[bool, ...]
    _pullback: Any

    def forward(self, params: Sequence[Array], x: Sequence[Array]) -> tuple[list[Array | None], list[Array]]:
        """Operands, and residuals for the way back, of examples ``[n, *leaf]``."""
        variable, constant = self.view.split(params, x)
        run = over_examples(core.jaxpr_as_fun(self._forward), _varies(self.view), self._forward_varies)
        outputs = iter(run(*variable, *constant))
        operands = [None if use.a is None else next(outputs) for use in self.uses]
        return operands, list(outputs)

    def backward(self, residuals: Sequence[Array], start: Array | int, count: int) -> list[Array]:
        """Cotangents behind each use, for some outputs: ``[n, count, E, S, F]``."""
        pull = _backward(self.view, self.uses, self._pullback, start, count)
        return over_examples(pull, self.residual_varies, self.cotangent_varies)(*residuals)

    @property
    def residual_varies(self) -> tuple[bool, ...]:
        """For each residual whether it differs between examples."""
        return self._forward_varies[sum(use.a is not None for use in self.uses) :]

    def pushing(self, use: Use, residuals: Sequence[Array]) -> Callable[[Array], Array]:
        """J of what follows a use, at one example: ``[E, S, F]`` -> ``[k]``."""
        pull = jax.tree.unflatten(self._pullback, residuals)
        cotangent = jax.ShapeDtypeStruct((self.view.k,), self.view.signature.y_dtype)
        seen = jax.linear_transpose(lambda y: use.arrange(pull(y)[0][use.tap]), cotangent)
        return lambda tangent: seen(tangent)[0]

    def pushes(self, use: Use, shape: tuple[int, int, int]) -> bool:
        """Whether ``pushing`` can be: a custom_vjp that is not linear in its cotangent has no transpose.

        Args:
            use: one of the uses.
            shape: ``(E, S, F)`` of its cotangent.
        """
        residuals = self._forward.out_avals[sum(each.a is not None for each in self.uses) :]
        tangent = jax.ShapeDtypeStruct(shape, self.view.signature.y_dtype)
        try:
            jax.eval_shape(
                lambda given, y: self.pushing(use, given)(y), [_shape(each) for each in residuals], tangent
            )
        except (TypeError, ValueError, AssertionError, RuntimeError):  # JAX refuses in many ways
            return False
        return True


def programs(view: View) -> Programs:
    """Trace the two programs of a view, the first time; inside the function's world.

    Raises:
        TypeError, ValueError, NotImplementedError: where the function has no reverse mode.
    """
    kept: dict[View, Programs] = view.signature.function.kept.setdefault("structure", {})
    if view not in kept:
        if len(kept) >= _KEPT:
            kept.clear()
        kept[view] = _trace(view)
    return kept[view]


def _trace(view: View) -> Programs:
    varies = _varies(view)
    function = jax.make_jaxpr(view.apply)(view.avals, view.constant_avals)
    found: dict[str, Any] = {}

    def tapped(walk: Walk, arrays: list[Array]) -> Array:
        leaves = len(view.avals)
        inputs = [
            whole_leaf(at, array, varies[at]) if at < leaves else Value(array, (), varies[at])
            for at, array in enumerate(arrays)
        ]
        (y,) = walk.run(function.jaxpr, function.consts, inputs)
        return walk.settle(y, "it is an output itself").array

    def forward(*arrays: Array) -> list[Array]:
        def of_taps(taps: list[Array]) -> tuple[Array, list[Array]]:
            walk = Walk(taps)
            y = tapped(walk, list(arrays))
            found["uses"] = walk.uses
            return y, [use.a for use in walk.uses if use.a is not None]

        zeros = [jnp.zeros(tap.shape, tap.dtype) for tap in Walk.taps_of(tapped, list(arrays))]
        _, pullback, operands = jax.vjp(of_taps, zeros, has_aux=True)
        residuals, found["pullback"] = jax.tree.flatten(pullback)
        return [*operands, *residuals]

    program = jax.make_jaxpr(forward)(*view.avals, *view.constant_avals)
    forward_varies = depends(program, varies)
    there = iter(forward_varies)
    # Only that there is an operand is kept, and its rank: the arrays belong to the trace that made them.
    operand_varies = tuple(use.a is not None and next(there) for use in found["uses"])
    uses = tuple(replace(use, a=use.a if use.a is None else _shape(use.a)) for use in found["uses"])
    residuals = program.out_avals[sum(use.a is not None for use in uses) :]
    back = jax.make_jaxpr(_of_one_output(view, uses, found["pullback"]))(*map(_shape, residuals))
    seen = len(uses)
    cotangent_varies = tuple(depends(back, list(there))[:seen])
    tap_size = sum(aval.size for aval in back.out_avals[:seen])
    return Programs(
        view,
        uses,
        operand_varies,
        cotangent_varies,
        tap_size,
        _cotangents(back.jaxpr, back.jaxpr.outvars[seen:]),
        program,
        tuple(forward_varies),
        found["pullback"],
    )


def _of_one_output(view: View, uses: Sequence[Use], treedef: Any) -> Callable[..., list[Array]]:
    """One example's residuals -> the cotangents of one output as uses see them, then as their taps do."""

    def run(*residuals: Array) -> list[Array]:
        (taps,) = jax.tree.unflatten(treedef, residuals)(view.unit_cotangents(0, 1)[0])
        return [use.arrange(taps[use.tap]) for use in uses] + [taps[use.tap] for use in uses]

    return run


def _cotangents(jaxpr: Any, outputs: Sequence[Any]) -> tuple[Cotangent, ...]:
    """What some outputs of a jaxpr are."""
    made = {var: equation for equation in jaxpr.eqns for var in equation.outvars}
    numbers: dict[Any, int] = {}
    found = []
    for number, output in enumerate(outputs):
        source: Any = output
        while not isinstance(source, core.Literal) and source in made and _is_view_of_one(made[source]):
            (source,) = made[source].invars
        known = isinstance(source, core.Literal)
        found.append(Cotangent(number if known else numbers.setdefault(source, number), output.aval.shape))
    return tuple(found)


def _is_view_of_one(equation: Any) -> bool:
    return len(equation.invars) == 1 and is_view(equation)


def _shape(array: Any) -> Any:
    return jax.ShapeDtypeStruct(array.shape, array.dtype)


def _backward(
    view: View, uses: Sequence[Use], treedef: Any, start: Array | int, count: int
) -> Callable[..., list[Array]]:
    """One example's residuals -> cotangents behind each use: ``[count, E, S, F]``."""

    def run(*residuals: Array) -> list[Array]:
        pull = jax.tree.unflatten(treedef, residuals)
        # Closed over, not batched: the unit cotangents stay one array under vmap over examples.
        (taps,) = jax.vmap(pull)(view.unit_cotangents(start, count))
        return [jax.vmap(use.arrange)(taps[use.tap]) for use in uses]

    return run


def over_examples(
    run: Callable[..., list[Array]], given: Sequence[bool], made: Sequence[bool]
) -> Callable[..., list[Array]]:
    """A program of one example for a batch of them.

    Args:
        run: the program.
        given: for each input whether it differs between examples, and has an axis of them.
        made: the same for each output.
    """
    if not any(made):
        return lambda *arrays: run(*(a[0] if each else a for a, each in zip(arrays, given, strict=True)))
    in_axes, out_axes = ([0 if each else None for each in varies] for varies in (given, made))
    return jax.vmap(run, in_axes=in_axes, out_axes=out_axes)


def _varies(view: View) -> list[bool]:
    """For each leaf of the variable and of the constant whether it differs between examples."""
    return [axis == 0 for part in view.axes for axis in part]


def depends(program: Any, varies: Sequence[bool]) -> list[bool]:
    """For each output of a closed jaxpr whether it can depend on an input that varies."""
    varying = {var for var, each in zip(program.jaxpr.invars, varies, strict=True) if each}
    for equation in program.jaxpr.eqns:
        if any(not isinstance(atom, core.Literal) and atom in varying for atom in equation.invars):
            varying.update(equation.outvars)
    return [not isinstance(atom, core.Literal) and atom in varying for atom in program.jaxpr.outvars]
