"""What is known of a function without running it: the leaves of x, params and y, their dtypes and sizes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax import ShapeDtypeStruct

from app.engine.parameters import Parameters, parameters
from app.engine.variables import Path, Selection, path_of, render, select
from app.engine.worlds import world
from app.function import Function
from app.specs import ArraySpec

_NAMES = 256  # variables of a function whose leaves are remembered


@dataclass(frozen=True)
class Leaf:
    """One array of a tree: its rendered path, dtype, shape, and where it starts among k or p scalars."""

    path: str
    dtype: str
    shape: tuple[int, ...]
    offset: int = 0


@dataclass(frozen=True, eq=False)
class Signature:
    """The shapes of a function of one example.

    Args:
        function: the function.
        params: its parameters in host memory.
        x_paths: components of the path of each leaf of x.
        x_specs: the declared spec of each.
        x_avals: what travels to the device, in the function's world.
        x_treedef: how the leaves make x.
        y_paths: rendered path of each leaf of y.
        y_avals: shape and dtype of each.
    """

    function: Function
    params: Parameters
    x_paths: tuple[Path, ...]
    x_specs: tuple[ArraySpec, ...]
    x_avals: tuple[ShapeDtypeStruct, ...]
    x_treedef: Any
    y_paths: tuple[str, ...]
    y_avals: tuple[ShapeDtypeStruct, ...]

    @cached_property
    def k(self) -> int:
        """Number of scalars in y."""
        return sum(prod(aval.shape) for aval in self.y_avals)

    @cached_property
    def y_dtype(self) -> Any:
        """The dtype that all leaves of y fit in."""
        with world(self.function):
            return jnp.result_type(*(aval.dtype for aval in self.y_avals))

    @cached_property
    def param_avals(self) -> tuple[Any, ...]:
        """Shape and dtype of each array of the parameters."""
        return tuple(ShapeDtypeStruct(array.shape, array.dtype) for array in self.params.arrays)

    def selection(self, wrt: str) -> Selection:
        """The leaves that a wrt names. Raises ``SpecMismatch``."""
        return self._named(wrt)[0]

    @cached_property
    def _named(self) -> Callable[[str], tuple[Selection, str]]:
        """The leaves that a wrt names and their dtype; remembered, since every request asks."""
        return lru_cache(maxsize=_NAMES)(lambda wrt: (found := self._select(wrt), self._dtype(found)))

    def _select(self, wrt: str) -> Selection:
        x = [(path, floating(aval)) for path, aval in zip(self.x_paths, self.x_avals, strict=True)]
        pairs = zip(self.params.paths, self.param_avals, strict=True)
        return select(wrt, x, [(path, floating(aval)) for path, aval in pairs])

    def variable_avals(self, selection: Selection) -> list[ShapeDtypeStruct]:
        """Shape and dtype of the leaves that J differentiates: those of x, then those of the parameters."""
        return [self.x_avals[i] for i in selection.x] + [self.param_avals[i] for i in selection.params]

    def p(self, wrt: str) -> int:
        """Number of floating scalars in a variable. Raises ``SpecMismatch``."""
        return sum(prod(aval.shape) for aval in self.variable_avals(self.selection(wrt)))

    def dtype(self, wrt: str) -> str:
        """Name of the matrix's dtype: the variable's floating leaves together, at least float32."""
        return self._named(wrt)[1]

    def _dtype(self, selection: Selection) -> str:
        avals = self.variable_avals(selection)
        with world(self.function):
            return jnp.promote_types(jnp.result_type(*(aval.dtype for aval in avals)), jnp.float32).name

    @property
    def y(self) -> tuple[Leaf, ...]:
        """The leaves of y, with the offset of each among the k outputs."""
        leaves, offset = [], 0
        for path, aval in zip(self.y_paths, self.y_avals, strict=True):
            leaves.append(Leaf(path, aval.dtype.name, aval.shape, offset))
            offset += prod(aval.shape)
        return tuple(leaves)

    @property
    def param_leaves(self) -> tuple[Leaf, ...]:
        """The arrays of the parameters."""
        pairs = zip(self.params.paths, self.param_avals, strict=True)
        return tuple(Leaf(render("params", *path), aval.dtype.name, aval.shape) for path, aval in pairs)

    @property
    def x_tree(self) -> Any:
        """The specs of x in their tree, as JSON."""
        return self.x_treedef.unflatten([_spec_json(spec) for spec in self.x_specs])


def signature(function: Function) -> Signature:
    """Trace a function for one example, the first time; afterwards the same value.

    Raises:
        ValueError: for outputs that no function can have here.
        Exception: whatever the function itself raises when it is traced or its parameters are loaded.
    """
    if "signature" not in function.kept:
        function.kept["signature"] = _trace(function)
    return function.kept["signature"]


def _trace(function: Function) -> Signature:
    params = parameters(function)
    leaves, treedef = jax.tree_util.tree_flatten_with_path(function.x)
    specs = tuple(spec for _, spec in leaves)
    with world(function):
        x_avals = tuple(ShapeDtypeStruct(spec.shape, _canonical(spec.dtype)) for spec in specs)
        param_avals = tuple(ShapeDtypeStruct(array.shape, array.dtype) for array in params.arrays)
        y = jax.eval_shape(
            lambda arrays, x: function.apply(params.tree(arrays), treedef.unflatten(x)), param_avals, x_avals
        )
    outputs = jax.tree_util.tree_flatten_with_path(y)[0]
    for key_path, aval in outputs:
        _check_output(render("y", *path_of(key_path)), aval)
    if not sum(prod(aval.shape) for _, aval in outputs):
        raise ValueError("apply returns no number; expected a floating array, or a pytree of them")
    return Signature(
        function,
        params,
        tuple(path_of(key_path) for key_path, _ in leaves),
        specs,
        x_avals,
        treedef,
        tuple(render(*path_of(key_path)) for key_path, _ in outputs),
        tuple(ShapeDtypeStruct(aval.shape, aval.dtype) for _, aval in outputs),
    )


def _check_output(name: str, aval: Any) -> None:
    if jnp.issubdtype(aval.dtype, jnp.complexfloating):
        raise ValueError(
            f"{name} is {aval.dtype}: complex outputs are not supported; "
            "return (jnp.real(y), jnp.imag(y)), two real outputs"
        )
    if not floating(aval):
        raise ValueError(
            f"{name} is {aval.dtype}: it has no derivative; leave it out, or convert it to a float"
        )


def floating(aval: Any) -> bool:
    """Whether an array of this dtype has a derivative."""
    return bool(jnp.issubdtype(aval.dtype, jnp.floating))


def _canonical(dtype: str) -> Any:
    return jax.dtypes.canonicalize_dtype(jnp.dtype(dtype))


def _spec_json(spec: ArraySpec) -> dict[str, Any]:
    bounds = {"low": spec.low, "high": spec.high}
    given = {name: value for name, value in bounds.items() if value is not None}
    return {"dtype": spec.dtype, "shape": list(spec.shape), **given}
