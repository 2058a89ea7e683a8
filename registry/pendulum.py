"""A damped pendulum, integrated by the classical Runge-Kutta method; trees in, trees out."""

import jax
import jax.numpy as jnp
import numpy as np

from app import ArraySpec, function

STEP_SECONDS = 0.01
STEPS = 200

State = dict[str, jax.Array]


def properties() -> dict[str, np.ndarray]:
    """A metre of string on Earth, slightly damped."""
    return {
        "gravity": np.array(9.80665, np.float32),  # m/s²
        "length": np.array(1.0, np.float32),  # m
        "damping": np.array(0.1, np.float32),  # 1/s
    }


def example() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """A gentle swing, and one that nearly reaches the top, where neighbours part."""
    gentle = {"angle": np.array(0.3, np.float32), "velocity": np.array(0.0, np.float32)}
    wild = {"angle": np.array(3.0, np.float32), "velocity": np.array(0.2, np.float32)}
    return gentle, wild


def slope(params: State, state: State) -> State:
    """Time derivative of the state: θ' = ω, ω' = −(g / l) sin θ − c ω."""
    pull = params["gravity"] / params["length"] * jnp.sin(state["angle"])
    return {"angle": state["velocity"], "velocity": -pull - params["damping"] * state["velocity"]}


def step(params: State, state: State) -> State:
    """One step of the classical fourth-order Runge-Kutta method."""

    def shift(slopes: State, seconds: float) -> State:
        return jax.tree.map(lambda value, rate: value + seconds * rate, state, slopes)

    first = slope(params, state)
    second = slope(params, shift(first, STEP_SECONDS / 2))
    third = slope(params, shift(second, STEP_SECONDS / 2))
    fourth = slope(params, shift(third, STEP_SECONDS))
    mean = jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, first, second, third, fourth)
    return shift(mean, STEP_SECONDS)


@function(
    x={
        "angle": ArraySpec("float32", (), low=-3, high=3),
        "velocity": ArraySpec("float32", (), low=-3, high=3),
    },
    params=properties,
    wrt="x",
    example=example,
    tags=("physics", "dynamical system"),
)
def pendulum(params: State, x: State) -> State:
    """State of a damped pendulum two seconds later; J is the flow's derivative.

    Args:
        params: ``gravity`` m/s², ``length`` m, ``damping`` 1/s; scalars.
        x: ``angle`` rad from the lowest point, ``velocity`` rad/s; scalars.

    Returns:
        ``angle`` and ``velocity`` after 200 steps of 10 ms.
    """
    state, _ = jax.lax.scan(lambda state, _: (step(params, state), None), x, length=STEPS)
    return state
