"""Which biases ride on which products, and that the matrix is the dense one when they do."""

from collections.abc import Callable
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from app.engine.algorithms.structured import Structured
from app.engine.structure.programs import Programs
from app.engine.structure.riding import riders
from app.engine.structure.terms import terms
from app.engine.view import View
from app.engine.worlds import world
from tests.engine.structure.gradients import numbers, traced
from tests.oracle import QUICK

Apply = Callable[[Any, Any], Any]
W, B, C = numbers(5, 3), numbers(3, seed=1), numbers(3, seed=2)
KERNEL = numbers(3, 3, 2, 3)
MASK = np.arange(7)[:, None] % 2 * np.ones(3, np.float32)


def normal(x: jax.Array) -> jax.Array:
    """Each row without its mean."""
    return x - x.mean(-1, keepdims=True)


def conv(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Of one image ``[5, 7, 2]``."""
    return lax.conv_general_dilated(
        x[None], kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )[0]


def looped(p: Any, x: jax.Array) -> jax.Array:
    """A layer in a loop, of its own parameters."""
    return lax.scan(lambda y, _: (jnp.tanh(y @ p["w"] + p["b"]), None), x, length=2)[0]


ROW, ROWS, IMAGE, TRIPLE = (5,), (7, 5), (5, 7, 2), (7, 3)
RIDES: dict[str, tuple[Apply, Any, tuple[int, ...], dict[str, str]]] = {
    "behind a product": (
        lambda p, x: jnp.tanh(x @ p["w"] + p["b"]),
        {"w": W, "b": B},
        ROW,
        {"b": "w"},
    ),
    "of several rows": (
        lambda p, x: jnp.tanh(x @ p["w"] + p["b"]).sum(0),
        {"w": W, "b": B},
        ROWS,
        {"b": "w"},
    ),
    "taken away": (
        lambda p, x: jnp.tanh(x @ p["w"] - p["b"]).sum(0),
        {"w": W, "b": B},
        ROWS,
        {"b": "w"},
    ),
    "seen backwards": (
        lambda p, x: jnp.tanh(x @ p["w"] + p["b"][::-1]).sum(0),
        {"w": W, "b": B},
        ROWS,
        {"b": "w"},
    ),
    "two on one": (
        lambda p, x: jnp.tanh(x @ p["w"] + p["b"] + p["c"]).sum(0),
        {"w": W, "b": B, "c": C},
        ROWS,
        {"b": "w", "c": "w"},
    ),
    "behind a convolution": (
        lambda p, x: jnp.tanh(conv(x, p["w"]) + p["b"]).sum((0, 1)),
        {"w": KERNEL, "b": B},
        IMAGE,
        {"b": "w"},
    ),
    "behind a scale": (
        lambda p, x: jnp.tanh(normal(x) * p["w"] + p["b"]).sum(0),
        {"w": C, "b": B},
        TRIPLE,
        {"b": "w"},
    ),
    "one for each, where a scale comes between": (
        lambda p, x: jnp.tanh(jnp.tanh(x @ p["w"] + p["b"]) * p["s"] + p["c"]).sum(0),
        {"w": W, "b": B, "s": 1 + C, "c": C},
        ROWS,
        {"b": "w", "c": "s"},
    ),
    "last, where no cotangent depends on the example": (
        lambda p, x: x @ p["w"] + p["b"],
        {"w": W, "b": B},
        ROW,
        {"b": "w"},
    ),
}
STAYS: dict[str, tuple[Apply, Any, tuple[int, ...]]] = {
    "behind what bends": (lambda p, x: jnp.tanh(jnp.tanh(x @ p["w"]) + p["b"]), {"w": W, "b": B}, ROW),
    "one for each row": (
        lambda p, x: jnp.tanh(x @ p["w"] + p["b"][:, None]).sum(0),
        {"w": W, "b": numbers(7)},
        ROWS,
    ),
    "one number for all": (
        lambda p, x: jnp.tanh(x @ p["w"] + p["b"]).sum(0),
        {"w": W, "b": numbers(1)},
        ROWS,
    ),
    "scaled": (lambda p, x: jnp.tanh(x @ p["w"] + 2 * p["b"]).sum(0), {"w": W, "b": B}, ROWS),
    "used twice": (
        lambda p, x: jnp.tanh(jnp.tanh(x @ p["w"] + p["b"]) + p["b"]).sum(0),
        {"w": W, "b": B},
        ROWS,
    ),
    "on what is used twice": (
        lambda p, x: jnp.tanh(jnp.tanh(x @ p["w"] + p["b"]) @ p["w"]),
        {"w": numbers(3, 3), "b": B},
        (3,),
    ),
    "in a loop": (looped, {"w": numbers(3, 3), "b": B}, (3,)),
    "masked": (lambda p, x: jnp.tanh((x @ p["w"] + p["b"]) * MASK).sum(0) + p["b"], {"w": W, "b": B}, ROWS),
}


def riding(made: Programs) -> dict[str, str]:
    """By names of leaves."""
    with world(made.view.signature.function):
        found = riders(made, terms(made.uses))
    names = [made.view.names[use.leaf].removeprefix("params.") for use in made.uses]
    return {names[rider]: names[carrier] for rider, carrier in found.items()}


def hold_against_the_dense_matrix(view: View, apply: Apply, params: Any, x: tuple[int, ...]) -> None:
    x1, x2 = numbers(3, *x, seed=3), numbers(2, *x, seed=4)

    def both(x1: jax.Array, x2: jax.Array) -> tuple[jax.Array, jax.Array]:
        def rows(x: jax.Array) -> jax.Array:
            flat, tree = jax.flatten_util.ravel_pytree(params)
            return jax.vmap(lambda one: jax.jacrev(lambda theta: jnp.ravel(apply(tree(theta), one)))(flat))(x)

        leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(params)]
        found = Structured().kernel(view, view.k)(leaves, [x1], [x2])
        return found, jnp.einsum("iop,jqp->iojq", rows(x1), rows(x2))

    with world(view.signature.function, "highest"):
        found, dense = jax.device_get(jax.jit(both, compiler_options=QUICK)(x1, x2))
    np.testing.assert_allclose(found, dense, rtol=0, atol=1e-5 * np.abs(dense).max())


@pytest.mark.parametrize("name", RIDES)
def test_a_bias_rides_on_what_has_its_cotangent(name: str):
    apply, params, x, expected = RIDES[name]
    made = traced(apply, params, numbers(*x))
    assert riding(made) == expected
    hold_against_the_dense_matrix(made.view, apply, params, x)


@pytest.mark.parametrize("name", STAYS)
def test_a_bias_stays_a_term_of_its_own(name: str):
    apply, params, x = STAYS[name]
    made = traced(apply, params, numbers(*x))
    assert riding(made) == {}
    hold_against_the_dense_matrix(made.view, apply, params, x)
