"""Square root of a random linear mixture: the smallest interesting Jacobian."""

import jax
import jax.numpy as jnp
import numpy as np

from app import ArraySpec, function

N = 10_000  # numbers in x
M = 5  # numbers in y


def _draws() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mixing matrix and two inputs, in the order in which the question drew them.

    A ``RandomState`` of one's own gives the numbers of ``np.random.seed(1701); np.random.rand(…)``
    and leaves NumPy's global generator alone.
    """
    random = np.random.RandomState(1701)
    return random.rand(M, N), random.rand(N), random.rand(N)


def mixture() -> np.ndarray:
    """The 5 × 10,000 mixing matrix, as float32."""
    return _draws()[0].astype(np.float32)


def example() -> tuple[np.ndarray, np.ndarray]:
    """x1 and x2 of the original question, as float32."""
    _, x1, x2 = _draws()
    return x1.astype(np.float32), x2.astype(np.float32)


@function(x=ArraySpec("float32", (N,), low=0, high=1), params=mixture, wrt="x", example=example)
def sqrt_mean(params: jax.Array, x: jax.Array) -> jax.Array:
    """Square root of the mean of five random mixtures of 10,000 positive numbers.

    f(x) = √(A x / N), so J = A / (2 N f(x)) row by row, and K = A Aᵀ / (4 N² f(x1) f(x2)ᵀ).

    Args:
        params: the mixing matrix A, ``[5, 10000]``, entries in [0, 1).
        x: ``[10000]``, positive.

    Returns:
        ``[5]``, positive.
    """
    return jnp.sqrt(params @ x / x.size)
