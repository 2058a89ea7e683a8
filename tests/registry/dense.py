"""The dense answer for registered functions: J held whole, in float64, by plain JAX. Knows no engine."""

from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from app import Function


def parameters(function: Function) -> Any:
    """The function's parameters, loaded."""
    return function.params() if callable(function.params) else function.params


def jacobian(function: Function, x: Any, wrt: str = "x") -> np.ndarray:
    """J of one example with respect to ``x``, ``params`` or ``params.KEY``.

    Returns:
        ``[k, p]``, float64, computed in float64; columns in the order of the tree.
    """
    variable, _, key = wrt.partition(".")
    loaded = parameters(function)
    with jax.enable_x64(True):
        params, x = _wide(loaded), _wide(x)
        theta = x if variable == "x" else params[key] if key else params

        def flat(theta: Any) -> jax.Array:
            if variable == "x":
                y = function.apply(params, theta)
            else:
                y = function.apply({**params, key: theta} if key else theta, x)
            return ravel_pytree(y)[0]

        leaves = jax.tree.leaves(jax.jit(jax.jacrev(flat))(theta))
        return np.concatenate([np.asarray(leaf).reshape(leaf.shape[0], -1) for leaf in leaves], axis=1)


def matrix(function: Function, x1: Any, x2: Any, wrt: str = "x") -> np.ndarray:
    """K of two single examples, ``[k, k]``, float64."""
    return jacobian(function, x1, wrt) @ jacobian(function, x2, wrt).T


def _wide(tree: Any) -> Any:
    """Every floating leaf in float64, the others as they are."""

    def widen(leaf: Any) -> Any:
        return np.asarray(leaf, np.float64) if np.issubdtype(leaf.dtype, np.floating) else leaf

    return jax.tree.map(widen, tree)
