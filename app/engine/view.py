"""f of one example as a function of its variable: what every algorithm differentiates.

A ``View`` splits the leaves of x and of the parameters into those that J differentiates and the rest, and
flattens y, so that algorithms need not know whether they differentiate x, parameters, or parts of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from app.engine.signature import Signature, signature
from app.engine.variables import Selection, render
from app.function import Function

Arrays = list[Array]
_VIEWS = 256  # of one function


@dataclass(frozen=True)
class View:
    """A function seen from its variable.

    Args:
        signature: the function's shapes.
        selection: the leaves that J differentiates.
        dtype: name of the matrix's dtype.
        precision: of the products.
    """

    signature: Signature
    selection: Selection
    dtype: str
    precision: str = "highest"

    @cached_property
    def _hash(self) -> int:
        return hash((self.signature, self.selection, self.dtype, self.precision))

    def __hash__(self) -> int:
        return self._hash  # computed once: views are looked up with every request

    @property
    def k(self) -> int:
        """Number of scalars in y."""
        return self.signature.k

    @cached_property
    def p(self) -> int:
        """Number of scalars in the variable."""
        return sum(self.sizes)

    @cached_property
    def avals(self) -> list[Any]:
        """Shape and dtype of the variable's leaves, of one example."""
        return self.signature.variable_avals(self.selection)

    @cached_property
    def constant_avals(self) -> list[Any]:
        """Shape and dtype of the other leaves: those of x, then those of the parameters."""
        leaves = [*self.signature.x_avals], [*self.signature.param_avals]
        return self.split(leaves[1], leaves[0])[1]  # type: ignore[arg-type]

    @cached_property
    def names(self) -> list[str]:
        """Path of each leaf of the variable."""
        x = [render("x", *self.signature.x_paths[at]) for at in self.selection.x]
        return x + [render("params", *self.signature.params.paths[at]) for at in self.selection.params]

    @cached_property
    def sizes(self) -> list[int]:
        """Number of scalars of each leaf of the variable."""
        return [prod(aval.shape) for aval in self.avals]

    @cached_property
    def itemsize(self) -> int:
        """Bytes of one entry of the matrix."""
        return jnp.dtype(self.dtype).itemsize

    def split(self, params: Sequence[Array], x: Sequence[Array]) -> tuple[Arrays, Arrays]:
        """The leaves of params and x as ``(variable, constant)``."""
        chosen_x, chosen_params = set(self.selection.x), set(self.selection.params)
        variable = [x[i] for i in self.selection.x] + [params[i] for i in self.selection.params]
        rest_x = [leaf for i, leaf in enumerate(x) if i not in chosen_x]
        rest_params = [leaf for i, leaf in enumerate(params) if i not in chosen_params]
        return variable, rest_x + rest_params

    @cached_property
    def axes(self) -> tuple[list[int | None], list[int | None]]:
        """For ``jax.vmap`` over examples: the axis of each leaf of variable and of constant."""
        params, x = len(self.signature.param_avals), len(self.signature.x_avals)
        variable, constant = len(self.selection.params), len(self.selection.x)
        return (
            [0] * constant + [None] * variable,
            [0] * (x - constant) + [None] * (params - variable),
        )

    def apply(self, variable: Sequence[Array], constant: Sequence[Array]) -> Array:
        """y of one example, flat: ``[k]``."""
        leaves = self.outputs(variable, constant)
        return jnp.concatenate([jnp.ravel(leaf).astype(self.signature.y_dtype) for leaf in leaves])

    def outputs(self, variable: Sequence[Array], constant: Sequence[Array]) -> Arrays:
        """The leaves of y of one example, as the function returns them."""
        signature, selection = self.signature, self.selection
        supply_x, supply_params = iter(variable[: len(selection.x)]), iter(variable[len(selection.x) :])
        rest = iter(constant)
        x = [next(supply_x if i in selection.x else rest) for i in range(len(signature.x_avals))]
        params = [
            next(supply_params if i in selection.params else rest) for i in range(len(signature.param_avals))
        ]
        y = signature.function.apply(signature.params.tree(params), signature.x_treedef.unflatten(x))
        return jax.tree.leaves(y)

    def unit_cotangents(self, start: Array | int, count: int) -> Array:
        """Rows start to start + count of the identity of size k: ``[count, k]``; zero past its end."""
        index = start + jnp.arange(count)
        return (index[:, None] == jnp.arange(self.k)[None, :]).astype(self.signature.y_dtype)

    def unit_tangents(self, start: Array | int, count: int) -> Arrays:
        """Rows of the identity of size p, as leaves of the variable: each ``[count, *leaf]``."""
        index, offset, leaves = start + jnp.arange(count), 0, []
        for aval, size in zip(self.avals, self.sizes, strict=True):
            unit = index[:, None] == offset + jnp.arange(size)[None, :]
            leaves.append(unit.astype(aval.dtype).reshape(count, *aval.shape))
            offset += size
        return leaves


def viewed(shapes: Signature, selection: Selection, dtype: str, precision: str) -> View:
    """The view of a variable, the same value each time while there are few: views are compared often."""
    kept: dict[Any, View] = shapes.function.kept.setdefault("views", {})
    key = (selection, dtype, precision)
    view = kept.get(key)
    if view is None:
        if len(kept) >= _VIEWS:
            kept.clear()
        view = kept[key] = View(shapes, selection, dtype, precision)
    return view


def view_of(function: Function, wrt: str, precision: str = "highest") -> View:
    """The view of a variable that is named as requests name it. Raises ``SpecMismatch``."""
    shapes = signature(function)
    return viewed(shapes, shapes.selection(wrt), shapes.dtype(wrt), precision)
