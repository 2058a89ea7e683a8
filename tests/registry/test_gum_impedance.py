"""The published result of the GUM's example H.2 comes out of K."""

import jax
import numpy as np
import pytest

from app.engine import Engine
from registry.gum_impedance import example, gum_impedance, measured
from tests.engine.ask import ask
from tests.registry.dense import matrix

# JCGM 100:2008, H.2: table H.2 and table H.3, as printed; order: impedance, reactance, resistance
MEANS = {"impedance": 254.260, "reactance": 219.847, "resistance": 127.732}  # Ω
UNCERTAINTIES = [0.236, 0.295, 0.071]  # Ω
CORRELATIONS = {
    ("reactance", "resistance"): -0.588,
    ("impedance", "resistance"): -0.485,
    ("impedance", "reactance"): 0.993,
}
ORDER = ["impedance", "reactance", "resistance"]


def test_the_inputs_have_the_published_means_uncertainties_and_correlations():
    estimate, root = measured()["estimate"], measured()["root"]
    covariance = root @ root.T
    deviations = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(estimate, [4.9990, 19.6610e-3, 1.04446], rtol=1e-12)
    np.testing.assert_allclose(deviations, [0.0032, 0.0095e-3, 0.00075], rtol=6e-3)
    correlations = covariance / np.outer(deviations, deviations)
    np.testing.assert_allclose(correlations[[0, 0, 1], [1, 2, 2]], [-0.36, 0.86, -0.65], atol=5e-3)


def test_the_estimates_are_the_published_ones():
    with jax.enable_x64(True):
        y = gum_impedance.apply(measured(), example()[0])
    for name, mean in MEANS.items():
        assert float(y[name]) == pytest.approx(mean, abs=5e-4)


def test_the_roots_of_the_diagonal_are_the_published_uncertainties_to_a_unit_of_the_last_digit(
    engine: Engine,
):
    K = ask(engine, gum_impedance, *example())
    assert K.dtype == np.float64
    np.testing.assert_allclose(np.sqrt(np.diag(K)), UNCERTAINTIES, atol=1e-3)


def test_the_correlations_are_the_published_ones(engine: Engine):
    K = ask(engine, gum_impedance, *example())
    for (one, other), published in CORRELATIONS.items():
        i, j = ORDER.index(one), ORDER.index(other)
        assert K[i, j] / np.sqrt(K[i, i] * K[j, j]) == pytest.approx(published, abs=6e-4)


def test_the_matrix_is_the_law_of_propagation_with_sensitivities_by_hand():
    (volts, amperes, phi), root = measured()["estimate"], measured()["root"]
    z = volts / amperes
    sensitivities = z * np.array(
        [
            [1 / volts, -1 / amperes, 0],
            [np.sin(phi) / volts, -np.sin(phi) / amperes, np.cos(phi)],
            [np.cos(phi) / volts, -np.cos(phi) / amperes, -np.sin(phi)],
        ]
    )
    expected = sensitivities @ root @ root.T @ sensitivities.T
    np.testing.assert_allclose(matrix(gum_impedance, *example()), expected, rtol=1e-11)
