"""A view → compiled programs that make rows or columns of J of single examples, in float64 where f can.

Nothing here is shared with the algorithms: no batching over examples, no products, no tiles. Where f cannot
be traced in float64, or would compute in something narrower, its own dtypes are used and ``wide`` says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, ShapeDtypeStruct, lax

from app.engine.recent import Recent
from app.engine.signature import floating
from app.engine.simplified import bodies_of
from app.engine.view import Arrays, View
from app.engine.worlds import world
from app.specs import MOST_VERIFIED

WIDE = "float64"
# Rows or columns of J on the device, and again on the host.
_CHUNK_BYTES = 64 << 20
_MOST_ROWS = 64
_MOST_COLUMNS = 512
_KEPT = 64
# The same key gives other numbers in float64: what draws them would be another function.
_RANDOM = ("random_", "threefry", "rng_")


@dataclass(frozen=True, eq=False)
class Recomputation:
    """Compiled programs of one view; each loops over single examples, one after the other.

    Args:
        view: the function seen from its variable.
        wide: whether rows and columns are computed in float64, rather than in f's own dtypes.
        chunk: rows, or columns, that one run makes at most.
        rows: ``(params, x, outputs, count) -> (rows, y)``: x leaves ``[chunk, *leaf]``, outputs ``[chunk]``
            -> ``[chunk, p]``, ``[chunk, k]``, of which the first ``count`` are made. None where f has no
            reverse mode.
        columns: ``(params, x, start, count) -> (columns, y)``: x leaves ``[*leaf]``
            -> ``[chunk, k]``, ``[k]``. None where there are rows.
        values: ``(params, x, count) -> y`` in f's own dtypes: ``[chunk, k]``. None where y was not computed
            in anything finer, so that nothing can be said about it.
    """

    view: View
    wide: bool
    chunk: int
    rows: Callable[..., tuple[Array, Array]] | None
    columns: Callable[..., tuple[Array, Array]] | None
    values: Callable[..., Array] | None


class Recomputations(Recent[View, Recomputation]):
    """Recomputations by view, the least recently used of them dropped past a bound."""

    def __init__(self) -> None:
        super().__init__(recomputation, _KEPT, lambda view: view.signature.function)


def recomputation(view: View) -> Recomputation:
    """Compile the first that f allows of: rows in float64, columns in float64, rows and columns in its own.

    Raises:
        Exception: whatever f raises, where it has neither reverse nor forward mode.
    """
    errors: list[Exception] = []
    for wide in (True, False):
        for by in (_by_rows, _by_columns):
            try:
                made = by(view, wide)
            except Exception as error:
                errors.append(error)
                continue
            if made is not None:
                return made
    raise errors[-1]


def _by_rows(view: View, wide: bool) -> Recomputation | None:
    """Reverse mode; None where f would narrow float64."""
    chunk = _clamp(_CHUNK_BYTES // (8 * (view.p + view.k)), _MOST_ROWS)
    signature = view.signature
    x = [ShapeDtypeStruct((chunk, *aval.shape), aval.dtype) for aval in signature.x_avals]
    whole = ShapeDtypeStruct((), jnp.int32)
    outputs = ShapeDtypeStruct((chunk,), jnp.int32)
    rows = _compiled(_rows(view, wide, chunk), view, wide, (x, outputs, whole))
    return rows and Recomputation(view, wide, chunk, rows, None, _values(view, wide, chunk))


def _by_columns(view: View, wide: bool) -> Recomputation | None:
    """Forward mode, for what has no other; None where f would narrow float64."""
    # A piece of every row is held at a time: of as many rows as entries can have.
    chunk = _clamp(_CHUNK_BYTES // (8 * max(view.k, 2 * MOST_VERIFIED)), min(view.p, _MOST_COLUMNS))
    whole = ShapeDtypeStruct((), jnp.int32)
    arguments = (list(view.signature.x_avals), whole, whole)
    columns = _compiled(_columns(view, wide, chunk), view, wide, arguments)
    return columns and Recomputation(view, wide, chunk, None, columns, _values(view, wide, chunk))


def _clamp(size: int, most: int) -> int:
    return max(1, min(size, most))


def _values(view: View, wide: bool, chunk: int) -> Callable[..., Array] | None:
    if not wide or view.signature.y_dtype == jnp.float64:
        return None

    def values(params: Sequence[Array], x: Sequence[Array], count: Array) -> Array:
        def one(index: Array, held: Array) -> Array:
            return held.at[index].set(view.apply(*view.split(params, [leaf[index] for leaf in x])))

        return lax.fori_loop(0, count, one, jnp.zeros((chunk, view.k), view.signature.y_dtype))

    x = [ShapeDtypeStruct((chunk, *aval.shape), aval.dtype) for aval in view.signature.x_avals]
    return _compiled(values, view, False, (x, ShapeDtypeStruct((), jnp.int32)))


def _rows(view: View, wide: bool, chunk: int) -> Callable[..., tuple[Array, Array]]:
    def row(params: Sequence[Array], x: Sequence[Array], output: Array) -> tuple[Array, Array]:
        variable, constant = view.split(params, x)
        y, pullback = jax.vjp(lambda leaves: _flat(view.outputs(leaves, constant), view, wide), variable)
        unit = (jnp.arange(view.k) == output).astype(y.dtype)
        return jnp.concatenate([jnp.ravel(leaf) for leaf in pullback(unit)[0]]), y

    def rows(
        params: Sequence[Array], x: Sequence[Array], outputs: Array, count: Array
    ) -> tuple[Array, Array]:
        leaves = _cast(params, wide)

        def one(index: Array, held: tuple[Array, Array]) -> tuple[Array, Array]:
            made, y = row(leaves, _cast([leaf[index] for leaf in x], wide), outputs[index])
            return held[0].at[index].set(made.astype(held[0].dtype)), held[1].at[index].set(y)

        dtype, y_dtype = (WIDE, WIDE) if wide else (view.dtype, view.signature.y_dtype)
        nothing = jnp.zeros((chunk, view.p), dtype), jnp.zeros((chunk, view.k), y_dtype)
        return lax.fori_loop(0, count, one, nothing)

    return rows


def _columns(view: View, wide: bool, chunk: int) -> Callable[..., tuple[Array, Array]]:
    def columns(
        params: Sequence[Array], x: Sequence[Array], start: Array, count: Array
    ) -> tuple[Array, Array]:
        variable, constant = view.split(_cast(params, wide), _cast(x, wide))

        def apply(leaves: Arrays) -> Array:
            return _flat(view.outputs(leaves, constant), view, wide)

        def one(index: Array, held: tuple[Array, Array]) -> tuple[Array, Array]:
            y, column = jax.jvp(apply, (variable,), (_unit(variable, start + index),))
            return held[0].at[index].set(column), y

        dtype = WIDE if wide else view.signature.y_dtype
        return lax.fori_loop(0, count, one, (jnp.zeros((chunk, view.k), dtype), jnp.zeros(view.k, dtype)))

    return columns


def _unit(leaves: Sequence[Array], index: Array) -> Arrays:
    """The unit tangent of one scalar of the variable."""
    units, offset = [], 0
    for leaf in leaves:
        unit = jnp.arange(leaf.size) == index - offset
        units.append(unit.astype(leaf.dtype).reshape(leaf.shape))
        offset += leaf.size
    return units


def _flat(leaves: Sequence[Array], view: View, wide: bool) -> Array:
    dtype = WIDE if wide else view.signature.y_dtype
    return jnp.concatenate([jnp.ravel(leaf).astype(dtype) for leaf in leaves])


def _cast(leaves: Sequence[Array], wide: bool) -> Arrays:
    return [leaf.astype(WIDE) if wide and floating(leaf) else leaf for leaf in leaves]


def _compiled(program: Callable[..., Any], view: View, wide: bool, arguments: tuple[Any, ...]) -> Any:
    """Compile a program of params and more arguments; None where it would narrow float64."""
    with world(view.signature.function, view.precision, wide=wide):
        jitted = jax.jit(program, keep_unused=True)
        traced = jitted.trace(list(view.signature.param_avals), *arguments)
        if wide and narrows(traced.jaxpr.jaxpr):
            return None
        return traced.lower().compile()


def narrows(jaxpr: Any) -> bool:
    """Whether a program turns float64 into narrower floats somewhere, or draws random numbers."""
    for equation in jaxpr.eqns:
        if equation.primitive.name.startswith(_RANDOM):
            return True
        bodies = bodies_of(equation)
        if any(map(narrows, bodies)):
            return True
        came, made = map(_dtypes, (equation.invars, equation.outvars))
        if not bodies and jnp.dtype(WIDE) in came and any(_narrow(dtype) for dtype in made):
            return True
    return False


def _dtypes(variables: Sequence[Any]) -> set[Any]:
    return {getattr(variable.aval, "dtype", None) for variable in variables}


def _narrow(dtype: Any) -> bool:
    return dtype is not None and jnp.issubdtype(dtype, jnp.floating) and dtype.itemsize < 8
