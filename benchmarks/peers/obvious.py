"""The endpoint that everyone would write: pydantic lists in, ``vmap(jvp ∘ vjp)(eye)``, ``tolist()`` out."""

import jax
import jax.numpy as jnp
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

MIXTURE = jnp.asarray(np.random.RandomState(1701).rand(5, 10_000), jnp.float32)
app = FastAPI()


class Inputs(BaseModel):
    """Both inputs, as lists."""

    x1: list[float]
    x2: list[float]


def f(x: jax.Array) -> jax.Array:
    """The seed's function."""
    return jnp.sqrt(MIXTURE @ x / x.size)


@jax.jit
def product(x1: jax.Array, x2: jax.Array) -> jax.Array:
    """J(x1) J(x2)ᵀ by the rows of an identity matrix."""
    _, pullback = jax.vjp(f, x2)
    return jax.vmap(lambda row: jax.jvp(f, (x1,), pullback(row))[1])(jnp.eye(5)).T


@app.post("/jjt")
async def jjt(inputs: Inputs) -> dict[str, list[list[float]]]:
    """Answer the matrix."""
    return {"matrix": product(jnp.array(inputs.x1), jnp.array(inputs.x2)).tolist()}
