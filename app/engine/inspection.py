"""A function → its report card: what holds for it, found by running it on a few random examples.

The card says and does not refuse: whether examples keep to themselves, whether reverse and forward mode
agree, which algorithms apply, and what has no derivative. Touches the device.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from app.engine.algorithms import ALGORITHMS
from app.engine.compiled import CANNOT
from app.engine.examples import random_examples
from app.engine.planner import Planner
from app.engine.signature import Signature, floating
from app.engine.variables import Selection, render
from app.engine.view import Arrays, View, view_of
from app.engine.worlds import world

_EXAMPLES = 3
_QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def report_card(signature: Signature, params: Sequence[Any], planner: Planner) -> dict[str, Any]:
    """Inspect a function.

    Args:
        signature: its shapes.
        params: its parameters, on the device.
        planner: knows which algorithms apply.

    Returns:
        ``examples``, ``derivatives``, ``algorithms``, ``zero_derivative``, ``integer_inputs``, ``cast``:
        JSON values; names of leaves are those of the wrt grammar.
    """
    view = View(signature, _everything(signature), "float32")
    x = random_examples(signature, _EXAMPLES, np.random.default_rng(0))
    with world(signature.function):
        trial = _Trial(view, list(params), x)
        reverse, forward = trial.reverse(), trial.forward()
        return {
            "examples": _independence(trial, reverse) or _hidden_batch(trial) or _INDEPENDENT,
            "derivatives": _agreement(trial, reverse, forward),
            "algorithms": _algorithms(signature, planner),
            "zero_derivative": _without_derivative(view, reverse),
            "integer_inputs": [
                render("x", *path)
                for i, path in enumerate(signature.x_paths)
                if not floating(signature.x_avals[i])
            ],
            "cast": [render("params", *path) for path in signature.params.cast],
        }


_INDEPENDENT = {"independent": True, "detail": ""}


@dataclass(frozen=True)
class _Ran:
    """What one mode gave, or the reason that it gave nothing."""

    values: Any = None
    reason: str = ""


@dataclass(frozen=True, eq=False)
class _Trial:
    """A few random examples of a function, a random cotangent u, and a random tangent v of the first."""

    view: View
    params: Arrays
    x: list[np.ndarray]

    @cached_property
    def first(self) -> tuple[Arrays, Arrays]:
        """Variable and constant of the first example."""
        return self.view.split(self.params, [jnp.asarray(leaf[0]) for leaf in self.x])

    @cached_property
    def cotangent(self) -> np.ndarray:
        """u: ``[k]``."""
        return self._normal((self.view.k,), self.view.signature.y_dtype)

    @cached_property
    def tangent(self) -> list[np.ndarray]:
        """v: leaves of the variable."""
        return [self._normal(aval.shape, aval.dtype) for aval in self.view.avals]

    def reverse(self) -> _Ran:
        """y of each example, y of the first alone, and Jᵀ u of each example."""

        def one(variable: Arrays, constant: Arrays) -> Any:
            y, pullback = jax.vjp(lambda leaves: self.view.apply(leaves, constant), variable)
            return y, pullback(jnp.asarray(self.cotangent))[0]

        def run(params: Arrays, x: Arrays) -> Any:
            y, gradients = jax.vmap(one, in_axes=self.view.axes)(*self.view.split(params, x))
            return y, self.view.apply(*self.view.split(params, [leaf[0] for leaf in x])), gradients

        return _attempt(run, self.params, self.x)

    def forward(self) -> _Ran:
        """J v of the first example."""

        def run(variable: Arrays, constant: Arrays) -> Any:
            return jax.jvp(lambda leaves: self.view.apply(leaves, constant), (variable,), (self.tangent,))[1]

        return _attempt(run, *self.first)

    def values(self) -> tuple[Any, Any]:
        """y of each example together, and y of the first alone."""

        def one(leaves: Arrays) -> Any:
            return self.view.apply(*self.view.split(self.params, leaves))

        ran = _attempt(lambda x: (jax.vmap(one)(x), one([leaf[0] for leaf in x])), self.x)
        return ran.values

    @staticmethod
    def _normal(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        return np.random.default_rng(prod(shape)).standard_normal(shape).astype(dtype)


def _attempt(run: Callable[..., Any], *arguments: Any) -> _Ran:
    try:
        # The card needs values, not speed: what is compiled here runs once.
        program = jax.jit(run).lower(*arguments).compile(compiler_options=_QUICK)
        return _Ran(jax.device_get(program(*arguments)))
    except CANNOT as error:
        return _Ran(reason=str(error).strip().partition("\n")[0] or type(error).__name__)


def _independence(trial: _Trial, reverse: _Ran) -> dict[str, Any] | None:
    """Say so where y of an example changes with the examples beside it."""
    together, alone = reverse.values[:2] if reverse.values is not None else trial.values()
    together, alone = np.asarray(together[0], np.float64), np.asarray(alone, np.float64)
    scale = np.abs(alone).max(initial=0.0) + np.abs(together).max(initial=0.0)
    tolerance = 100 * np.sqrt(float(jnp.finfo(trial.view.signature.y_dtype).eps)) * scale
    if np.allclose(together, alone, rtol=0, atol=tolerance, equal_nan=True):
        return None
    return {"independent": False, "detail": "y of one example changes with the examples beside it"}


def _hidden_batch(trial: _Trial) -> dict[str, Any] | None:
    """Say so where x and y share a leading axis and one row of y depends on the other rows of x."""
    view = trial.view
    sizes = {aval.shape[:1] for aval in view.signature.y_avals}
    inputs = [i for i, aval in enumerate(view.avals[: len(view.selection.x)]) if aval.ndim >= 2]
    rows = [i for i in inputs if {view.avals[i].shape[:1]} == sizes and view.avals[i].shape[0] > 1]
    if not rows:
        return None
    first = np.concatenate([np.arange(prod(y.shape)) < prod(y.shape[1:]) for y in view.signature.y_avals])

    def run(variable: Arrays, constant: Arrays) -> Any:
        _, pullback = jax.vjp(lambda leaves: view.apply(leaves, constant), variable)
        return pullback(jnp.asarray(first * trial.cotangent, view.signature.y_dtype))[0]

    gradients = _attempt(run, *trial.first).values
    if gradients is None or not any(np.any(gradients[i][1:] != 0) for i in rows):
        return None
    return {
        "independent": False,
        "detail": (
            f"x and y share a leading axis of {view.avals[rows[0]].shape[0]}, and a row of y depends on "
            "other rows of x. If the rows are examples, they are mixed (statistics over a batch do this): "
            "declare x for one example, without that axis"
        ),
    }


def _agreement(trial: _Trial, reverse: _Ran, forward: _Ran) -> dict[str, Any]:
    """Whether ⟨u, J v⟩ = ⟨Jᵀ u, v⟩; None where one of the modes is not there, with the reason."""
    if reverse.values is None or forward.values is None:
        return {"agree": None, "detail": reverse.reason or forward.reason}
    pushed, size_pushed = _inner([trial.cotangent], [forward.values])
    first = [gradient[0] for gradient in reverse.values[2]]
    pulled, size_pulled = _inner(first, trial.tangent)
    tolerance = 1000 * float(jnp.finfo(trial.view.signature.y_dtype).eps) * max(size_pushed, size_pulled)
    if abs(pushed - pulled) <= tolerance or not np.isfinite(pushed - pulled):
        return {"agree": True, "detail": ""}
    return {
        "agree": False,
        "detail": f"forward mode gives {pushed:.6g} where reverse mode gives {pulled:.6g}: "
        "a custom derivative rule is not the other's transpose",
    }


def _without_derivative(view: View, reverse: _Ran) -> list[str]:
    """Names of the leaves where Jᵀ u is zero in every example."""
    if reverse.values is None:
        return []
    return [name for name, leaf in zip(view.names, reverse.values[2], strict=True) if not np.any(leaf)]


def _inner(left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> tuple[float, float]:
    """The inner product, and the sum of the absolute values of its terms."""
    terms = [
        np.asarray(a, np.float64).ravel() * np.asarray(b, np.float64).ravel()
        for a, b in zip(left, right, strict=True)
    ]
    return float(sum(term.sum() for term in terms)), float(sum(np.abs(term).sum() for term in terms))


def _algorithms(signature: Signature, planner: Planner) -> dict[str, str]:
    function = signature.function
    view = view_of(function, function.wrt)
    return {each.name: planner.applies(each, view) or "applies" for each in ALGORITHMS}


def _everything(signature: Signature) -> Selection:
    def indices(avals: Sequence[Any]) -> tuple[int, ...]:
        return tuple(i for i, aval in enumerate(avals) if floating(aval))

    return Selection(indices(signature.x_avals), indices(signature.param_avals))
