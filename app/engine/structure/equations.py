"""One equation of a jaxpr, evaluated by itself; the parts of a nested jaxpr. Knows no leaf and no tap.

Equations are evaluated as jaxprs of one equation: how a primitive binds its parameters is not public.
"""

from collections.abc import Sequence
from typing import Any

from jax import Array
from jax.extend import core


def evaluated(equation: Any, arrays: Sequence[Array]) -> list[Array]:
    """The outputs of an equation.

    Args:
        equation: of a jaxpr.
        arrays: a value for each of its inputs, literals included.
    """
    pairs = zip(equation.invars, arrays, strict=True)
    given: dict[Any, Array] = {atom: array for atom, array in pairs if not isinstance(atom, core.Literal)}
    # An output that nobody reads has no variable of its own.
    outvars = [core.Var(var.aval) if isinstance(var, core.DropVar) else var for var in equation.outvars]
    jaxpr = core.Jaxpr(
        constvars=[],
        invars=list(given),
        outvars=outvars,
        eqns=[equation.replace(outvars=outvars)],
        effects=equation.effects,
        debug_info=core.DebugInfo(
            "equation", equation.primitive.name, ("operand",) * len(given), ("result",) * len(outvars)
        ),
    )
    return core.jaxpr_as_fun(core.ClosedJaxpr(jaxpr, []))(*given.values())


def opened(jaxpr: Any) -> tuple[Any, Sequence[Any]]:
    """A nested jaxpr, closed or open, as the open one and its constants."""
    consts = getattr(jaxpr, "consts", None) or []
    return getattr(jaxpr, "jaxpr", jaxpr), consts
