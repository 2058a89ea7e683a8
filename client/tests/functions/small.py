"""Functions whose matrices are known in closed form."""

import jax.numpy as jnp
import numpy as np

from app import ArraySpec, function

PAIR = ArraySpec("float32", (2,))
SCALAR = ArraySpec("float32", ())


@function(x=ArraySpec("float32", (3,)))
def squares(params, x):
    """Half of each square: J = diag(x), so that K shows the numbers that arrived."""
    return x * x / 2


@function(x=ArraySpec("float64", (3,)))
def squares_64(params, x):
    """The same in double precision."""
    return x * x / 2


@function(x=ArraySpec("float32", (3,)), params=np.ones((2, 3), np.float32), wrt="x")
def mixed(params, x):
    """A function of a product with parameters: of it something is kept."""
    return jnp.sin(params @ x)


@function(x={"a": SCALAR, "b.c": SCALAR, "rest": (PAIR, [SCALAR, SCALAR])})
def product(params, x):
    """The product of two scalars, and the sum of the rest: every kind of branch, and a key to quote."""
    pair, numbers = x["rest"]
    return jnp.stack([x["a"] * x["b.c"], pair.sum() + numbers[0] + numbers[1]])
