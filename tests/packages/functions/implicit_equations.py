"""Optimistix and Lineax: a root by the implicit function theorem, and linear solves."""

import jax.numpy as jnp
import lineax as lx
import numpy as np
import optimistix as optx

from app import ArraySpec, function

RANDOM = np.random.default_rng(0)
WEIGHTS = {
    "w": (0.3 * RANDOM.normal(size=(5, 5))).astype(np.float32),
    "b": RANDOM.normal(size=5).astype(np.float32),
}
X = ArraySpec("float32", (5,))


@function(x=X, params=WEIGHTS, wrt="params")
def equilibrium(params, x):
    """The z for which z = tanh(W z + x + b), by Newton's method."""

    def residual(z, given):
        p, x = given
        return z - jnp.tanh(p["w"] @ z + x + p["b"])

    return optx.root_find(residual, optx.Newton(rtol=1e-6, atol=1e-6), jnp.zeros_like(x), (params, x)).value


@function(x=X, params=WEIGHTS, wrt="params")
def solved_by_conjugate_gradients(params, x):
    """The solution of (I + Wᵀ W) z = x + b."""
    matrix = jnp.eye(5, dtype=x.dtype) + params["w"].T @ params["w"]
    operator = lx.MatrixLinearOperator(matrix, lx.positive_semidefinite_tag)
    return lx.linear_solve(operator, x + params["b"], lx.CG(rtol=1e-6, atol=1e-6)).value


@function(x=X, params=WEIGHTS, wrt="params")
def solved_by_least_squares(params, x):
    """The least squares solution of a wide system, by QR, and of a square one, as Lineax chooses."""
    wide = lx.linear_solve(lx.MatrixLinearOperator(params["w"][:3]), x[:3], lx.QR()).value
    square = lx.linear_solve(
        lx.MatrixLinearOperator(params["w"] + 3 * jnp.eye(5, dtype=x.dtype)), x + params["b"]
    ).value
    return wide + square
