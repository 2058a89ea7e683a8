"""The network's state has the energy of the exact ground state, and K gives the step that S gives."""

import re
from functools import cache

import jax
import numpy as np
import pytest

from registry.rbm_log_psi import SPINS, ground_state, rbm_log_psi
from registry.rbm_log_psi._ising import configurations, energy, ground_energy, local_energies, probabilities
from tests.registry.dense import jacobian


@cache
def exact_energy() -> float:
    return ground_energy(SPINS)


@cache
def log_psi() -> np.ndarray:
    return np.asarray(
        jax.vmap(rbm_log_psi.apply, (None, 0))(ground_state(), configurations(SPINS)), np.float64
    )


def test_exact_diagonalisation_gives_the_energy_of_the_free_fermions():
    momenta = np.pi * (2 * np.arange(SPINS) + 1) / SPINS
    assert exact_energy() == pytest.approx(-np.sqrt(2 + 2 * np.cos(momenta)).sum(), abs=1e-10)


def test_the_variational_energy_is_above_the_exact_one_by_no_more_than_is_documented():
    documented = re.search(r"to within ([\d.e-]+),", rbm_log_psi.apply.__doc__ or "")
    assert documented is not None
    exact = exact_energy()
    assert 0 <= energy(log_psi()) - exact <= float(documented[1]) * abs(exact)


def test_the_two_ferromagnets_are_the_likeliest_configurations():
    chance = probabilities(log_psi())
    likeliest = configurations(SPINS)[np.argsort(chance)[-2:]]
    assert (abs(likeliest.sum(axis=1)) == SPINS).all()


def test_the_step_in_sample_space_is_the_step_in_parameter_space():
    """(ŌᵀŌ + λ)⁻¹ Ōᵀ ε = Ōᵀ (Ō Ōᵀ + λ)⁻¹ ε: K of 12 samples in place of S of 230 parameters."""
    rows = np.random.RandomState(0).choice(2**SPINS, 12, replace=False)
    J = np.concatenate([jacobian(rbm_log_psi, x, "params") for x in configurations(SPINS)[rows]])
    centred, error, damping = J - J.mean(axis=0), local_energies(log_psi())[rows], 1e-3
    by_samples = centred.T @ np.linalg.solve(centred @ centred.T + damping * np.eye(12), error)
    by_parameters = np.linalg.solve(centred.T @ centred + damping * np.eye(J.shape[1]), centred.T @ error)
    np.testing.assert_allclose(by_samples, by_parameters, rtol=1e-6, atol=1e-9)


def test_the_derivative_of_the_visible_bias_is_the_configuration_itself():
    x = configurations(SPINS)[123]
    np.testing.assert_array_equal(jacobian(rbm_log_psi, x, "params.visible")[0], x)
