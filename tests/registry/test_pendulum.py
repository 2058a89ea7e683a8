"""The flow loses energy only by damping, shrinks areas as Liouville says, and keeps small swings' period."""

import jax
import numpy as np
import pytest

from registry.pendulum import STEP_SECONDS, STEPS, example, pendulum, properties
from tests.registry.dense import jacobian

SECONDS = STEPS * STEP_SECONDS


def flow(state: dict, **changed: float) -> dict[str, float]:
    """The state two seconds later, in float64."""
    with jax.enable_x64(True):
        params = {name: np.float64(value) for name, value in (properties() | changed).items()}
        return {
            k: float(v)
            for k, v in pendulum.apply(params, {k: np.float64(v) for k, v in state.items()}).items()
        }


def energy(state: dict[str, float]) -> float:
    """Energy per mass and length squared, s⁻²."""
    p = properties()
    return float(state["velocity"] ** 2 / 2 - p["gravity"] / p["length"] * np.cos(state["angle"]))


@pytest.mark.parametrize("start", example())
def test_without_damping_the_energy_is_conserved_and_with_it_falls(start):
    assert energy(flow(start, damping=0.0)) == pytest.approx(energy(start), rel=1e-6)
    assert energy(flow(start)) < energy(start)


@pytest.mark.parametrize("start", example())
def test_areas_of_phase_space_shrink_by_the_damping(start):
    J = jacobian(pendulum, start)
    assert np.linalg.det(J) == pytest.approx(np.exp(-float(properties()["damping"]) * SECONDS), rel=1e-6)
    assert np.sqrt(np.linalg.det(J @ J.T)) == pytest.approx(np.exp(-0.2), rel=1e-6)


def test_a_small_swing_is_that_of_the_damped_harmonic_oscillator():
    p = {name: float(value) for name, value in properties().items()}
    half = p["damping"] / 2
    omega = np.sqrt(p["gravity"] / p["length"] - half**2)
    cos, sin = np.cos(omega * SECONDS), np.sin(omega * SECONDS)
    after = flow({"angle": 1e-4, "velocity": 0.0})
    assert after["angle"] == pytest.approx(
        1e-4 * np.exp(-half * SECONDS) * (cos + half / omega * sin), rel=1e-6
    )


def test_near_the_top_neighbours_part_faster_than_below():
    gentle, wild = (np.linalg.norm(jacobian(pendulum, start), 2) for start in example())
    assert wild > 3 * gentle
