"""The oracle of rules: the gradient that two factors make, put back into the leaf, against the dense one."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from app import ArraySpec, Function
from app.engine.signature import signature
from app.engine.structure.factors import Factor, gradients
from app.engine.structure.programs import Programs, programs
from app.engine.structure.uses import Use
from app.engine.view import View
from app.engine.worlds import world
from tests.oracle import QUICK

Apply = Callable[[Any, Any], Any]


def traced(apply: Apply, theta: Any, x: np.ndarray) -> Programs:
    """The programs of a function, with respect to its parameters."""
    spec = ArraySpec(x.dtype.name, x.shape, *((0, 1 << 20) if x.dtype.kind == "i" else ()))
    function = Function(apply, spec, theta, wrt="params", name="probe")
    shapes = signature(function)
    with world(function):
        return programs(View(shapes, shapes.selection("params"), "float32"))


def check(apply: Apply, theta: np.ndarray, x: np.ndarray) -> list[Use]:
    """Hold Σ Aᵀ G over all uses of a leaf against ``jax.jacrev``; returns the uses."""
    made = traced(apply, theta, x)
    k = made.view.k

    def both(leaf: jax.Array, example: jax.Array) -> tuple[list[jax.Array], jax.Array]:
        operands, residuals = made.forward([leaf], [example[None]])
        cotangents = made.backward(residuals, 0, k)
        varies = zip(operands, cotangents, made.operand_varies, made.cotangent_varies, strict=True)
        pairs = [
            (Factor.of(*each, behind=use.behind), use) for each, use in zip(varies, made.uses, strict=True)
        ]
        return [gradients(factor, "highest", len(use.index))[0] for factor, use in pairs], jax.jacrev(
            lambda theta: jnp.ravel(apply(theta, example))
        )(leaf)

    with jax.default_matmul_precision("highest"):
        parts, dense = jax.device_get(jax.jit(both, compiler_options=QUICK)(theta, x))
    found = np.zeros((k, theta.size))
    for use, part in zip(made.uses, parts, strict=True):
        found[:, use.index.swapaxes(-1, -2).reshape(-1)] += part.reshape(k, -1)  # places occur once in a use
    scale = np.abs(dense).max() + 1e-30
    np.testing.assert_allclose(found, dense.reshape(k, -1), rtol=0, atol=2e-5 * scale)
    return list(made.uses)


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Normal float32 numbers."""
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)
