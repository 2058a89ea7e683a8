"""``sqrt_mean`` for mosec: one worker with ``vmap(jvp ∘ vjp)(eye)``, JSON in and out."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from mosec import Server, Worker

MIXTURE = jnp.asarray(np.random.RandomState(1701).rand(5, 10_000), jnp.float32)


def f(x: jax.Array) -> jax.Array:
    """The function."""
    return jnp.sqrt(MIXTURE @ x / x.size)


@jax.jit
def product(x1: jax.Array, x2: jax.Array) -> jax.Array:
    """J(x1) J(x2)ᵀ by the rows of an identity matrix."""
    _, pullback = jax.vjp(f, x2)
    return jax.vmap(lambda row: jax.jvp(f, (x1,), pullback(row))[1])(jnp.eye(5)).T


class Matrix(Worker):
    """Answers one request at a time."""

    def forward(self, data: dict[str, Any]) -> dict[str, Any]:
        """The matrix, as lists."""
        x1, x2 = (jnp.asarray(np.asarray(data[name], np.float32)) for name in ("x1", "x2"))
        return {"matrix": product(x1, x2).tolist()}


if __name__ == "__main__":
    server = Server()
    server.append_worker(Matrix, num=1)
    server.run()
