"""Heat is conserved, decays as the continuum says, and K for x does not depend on x."""

import jax
import jax.numpy as jnp
import numpy as np

from registry.heat_rod import (
    CELLS,
    CENTRES_METRES,
    HEAT_CAPACITY,
    LENGTH_METRES,
    SENSORS,
    example,
    heat_rod,
    steel_with_a_weld,
    step,
)
from tests.registry.dense import jacobian


def test_a_step_conserves_the_heat_and_flattens_the_profile():
    conductivity, (profile, _) = steel_with_a_weld()["conductivity"], example()
    with jax.enable_x64(True):
        after = np.asarray(step(jnp.float64(conductivity), jnp.float64(profile)))
    np.testing.assert_allclose(after.sum(), profile.sum(dtype=np.float64), rtol=1e-12)
    assert np.ptp(after) < np.ptp(profile)


def test_a_uniform_rod_damps_a_cosine_as_the_heat_equation_does():
    shape = np.cos(np.pi * CENTRES_METRES / LENGTH_METRES)
    readings = heat_rod.apply({"conductivity": np.full(CELLS, 50.0, np.float32)}, np.float32(30 + 20 * shape))
    rate_per_second = 50.0 / HEAT_CAPACITY * (np.pi / LENGTH_METRES) ** 2
    seconds = 10.0 * np.arange(1, 9)
    expected = 30 + 20 * np.exp(-rate_per_second * seconds)[:, None] * shape[SENSORS]
    np.testing.assert_allclose(readings, expected, atol=0.02)


def test_readings_are_linear_in_the_profile_so_that_their_jacobian_is_the_response_itself():
    x1, x2 = example()
    J1, J2 = jacobian(heat_rod, x1, "x"), jacobian(heat_rod, x2, "x")
    np.testing.assert_allclose(J1, J2, atol=1e-14)
    np.testing.assert_allclose(
        J1 @ x2, np.ravel(heat_rod.apply(steel_with_a_weld(), x2)), rtol=2e-5, atol=1e-4
    )


def test_an_even_temperature_says_nothing_about_the_conductivity():
    even = np.full(CELLS, 40.0, np.float32)
    np.testing.assert_array_equal(jacobian(heat_rod, even, "params.conductivity"), 0)


def test_a_sensor_notices_most_the_conductivity_of_the_cells_between_it_and_the_heat():
    J = jacobian(heat_rod, example()[0], "params.conductivity").reshape(8, 4, CELLS)
    first_reading_of_second_sensor = np.abs(J[0, 1])
    assert first_reading_of_second_sensor[: SENSORS[1] + 1].sum() > 0.7 * first_reading_of_second_sensor.sum()
