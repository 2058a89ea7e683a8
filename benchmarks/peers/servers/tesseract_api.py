"""``sqrt_mean`` for tesseract-core: its endpoints by its own JAX recipes, of which ``/jacobian`` is asked."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from pydantic import BaseModel
from tesseract_core.runtime import Array, Differentiable, Float32
from tesseract_core.runtime.jax_recipes import jax_abstract_eval, jax_apply, jax_jacobian

MIXTURE = jnp.asarray(np.random.RandomState(1701).rand(5, 10_000), jnp.float32)


class InputSchema(BaseModel):
    """One input."""

    x: Differentiable[Array[(10_000,), Float32]]


class OutputSchema(BaseModel):
    """Five numbers."""

    y: Differentiable[Array[(5,), Float32]]


@eqx.filter_jit
def apply_jit(inputs: dict[str, Any]) -> dict[str, Any]:
    """The function."""
    return {"y": jnp.sqrt(MIXTURE @ inputs["x"] / inputs["x"].size)}


def apply(inputs: InputSchema) -> OutputSchema:
    """Evaluate it."""
    return OutputSchema(**jax_apply(apply_jit, inputs))


def jacobian(inputs: InputSchema, jac_inputs: set[str], jac_outputs: set[str]) -> Any:
    """Its dense Jacobian."""
    return jax_jacobian(apply_jit, inputs, jac_inputs, jac_outputs)


def abstract_eval(abstract_inputs: Any) -> Any:
    """Its shapes."""
    return jax_abstract_eval(apply_jit, abstract_inputs)
