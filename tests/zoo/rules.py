"""Functions that test the rules of differentiation: control flow, custom derivatives, solvers, nesting."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from tests.zoo.entry import entry, f32, weights


@jax.custom_jvp
def saturate(x):
    """A clipped value whose derivative is declared, and is not the derivative of the value."""
    return jnp.clip(x, -1, 1)


@saturate.defjvp
def saturate_jvp(primals, tangents):
    """A derivative that does not vanish outside the bounds."""
    (x,), (dx,) = primals, tangents
    return saturate(x), dx / (1 + x**2)


@entry(x=f32(11), params={"w": weights(1, 7, 11)})
def custom_jvp(params, x):
    """The derivative is the declared one."""
    return saturate(3 * params["w"] @ x)


@jax.custom_vjp
def reversed_only(x):
    """A function with a reverse rule and no forward one."""
    return jnp.sin(x)


reversed_only.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (2 * jnp.cos(x) * g,))


@entry(
    x=f32(11),
    params={"w": weights(18, 7, 11)},
    cannot={"forward": "custom_vjp"},
)
def custom_vjp(params, x):
    """Only a reverse rule: the forward product must come from the transpose of the pullback."""
    return reversed_only(params["w"] @ x)


@jax.custom_vjp
def damped(x):
    """A function whose reverse rule halves what goes down, as clipping rules do."""
    return jnp.sin(x)


damped.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (jnp.cos(x) * jnp.where(g > 0, g, g / 2),))


@entry(
    x=f32(11),
    params={"w": weights(2, 7, 11)},
    cannot={"forward": "custom_vjp", "vector_products": "not linear in the cotangent"},
)
def bent_cotangent(params, x):
    """A reverse rule that is not linear has no transpose: rows of J are all that there is."""
    return damped(params["w"] @ x)


@jax.custom_vjp
def directed(x):
    """A function whose reverse rule has the length of a cotangent in it."""
    return jnp.sin(x)


directed.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (jnp.cos(x) * g / jnp.sqrt(1 + g @ g),))


@entry(
    x=f32(11),
    params={"w": weights(21, 7, 11)},
    cannot={"forward": "custom_vjp", "vector_products": "not linear in the cotangent"},
)
def divided_cotangent(params, x):
    """As above, with a division: JAX refuses it with an error of another kind."""
    return directed(params["w"] @ x)


@entry(
    x=f32(5, low=0.5, high=1.5),
    params={"rate": np.float32(0.7), "offset": weights(3, 5)},
    cannot={"contraction": "while_loop", "vector_products": "while_loop", "structured": "while_loop"},
)
def while_loop(params, x):
    """The number of steps depends on the values, so that there is no reverse mode."""

    def halve(state):
        return state * params["rate"] + 0.01 * jnp.sin(params["offset"])

    return jax.lax.while_loop(lambda state: (state**2).sum() > 0.5, halve, x)


@entry(x=f32(11), params={"w": weights(4, 11, 11), "v": weights(5, 11)})
def fori_and_cond(params, x):
    """A loop of fixed length around a branch that depends on the values."""

    def step(index, state):
        def warm(state):
            return jnp.sin(params["w"] @ state)

        return jax.lax.cond(state.sum() > 0, warm, lambda state: state * params["v"] + index, state)

    return jax.lax.fori_loop(0, 3, step, x)[:7]


@entry(x=f32(7), params={"w": weights(6, 7, 7), "b": weights(7, 7)}, wrts=("x", "params", "params.w"))
def linear_solve(params, x):
    """The solution of a linear system that the parameters set up."""
    return jnp.linalg.solve(params["w"] + 3 * jnp.eye(7, dtype=x.dtype), x * x + params["b"])


@entry(x=f32(11), params={"scale": 1 + weights(8, 11)})
def sort_and_max(params, x):
    """Order statistics: the derivative permutes."""
    ordered = jnp.sort(x * params["scale"])
    return jnp.concatenate([ordered[2:7] ** 2, jnp.max(ordered, keepdims=True), jnp.abs(ordered[:1])])


@entry(x=f32(11), params={"w": weights(9, 13, 11), "v": weights(10, 7, 13)}, wrts=("params", "x", "params.w"))
def checkpointed(params, x):
    """A rematerialised layer inside the function."""

    @jax.checkpoint
    def layer(w, x):
        return jnp.sin(jnp.tanh(w @ x))

    return params["v"] @ layer(params["w"], x)


@partial(jax.jit, static_argnames="power")
def inner_program(w, x, power):
    """A compiled function with a static argument."""
    return jax.jit(lambda z: jnp.cos(z) ** power)(w @ x)


@entry(x=f32(11), params={"w": weights(11, 7, 11)})
def nested_jit(params, x):
    """Compiled functions inside compiled functions."""
    return inner_program(params["w"], x, power=3)


@entry(x=f32(11), params=weights(12, 11), wrts=("x", "params"))
def spectrum(params, x):
    """Complex numbers inside, floats at both ends."""
    return jnp.abs(jnp.fft.rfft(x * params))[:5] ** 2


@entry(
    x=f32(5, 7),
    params={"w": weights(13, 11, 7), "frozen": weights(14, 11)},
    wrts=("x", "params", "params.frozen"),
)
def stopped(params, x):
    """A map over rows of the example, and a parameter whose derivative is stopped."""
    rows = jax.vmap(lambda row: jnp.tanh(params["w"] @ row))(x)
    return rows.sum(axis=0) * jax.lax.stop_gradient(params["frozen"])


RULES = (
    custom_jvp,
    custom_vjp,
    bent_cotangent,
    divided_cotangent,
    while_loop,
    fori_and_cond,
    linear_solve,
    sort_and_max,
    checkpointed,
    nested_jit,
    spectrum,
    stopped,
)
