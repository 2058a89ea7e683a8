"""Resistance, reactance and impedance with their uncertainties: example H.2 of the GUM."""

import jax
import jax.numpy as jnp
import numpy as np

from app import ArraySpec, function

# JCGM 100:2008, table H.2: five simultaneous observations of amplitude of voltage in V, of current in mA,
# and of the phase angle in rad.
VOLTS = (5.007, 4.994, 5.005, 4.990, 4.999)
MILLIAMPERES = (19.663, 19.639, 19.640, 19.685, 19.678)
RADIANS = (1.0456, 1.0438, 1.0468, 1.0428, 1.0433)


def measured() -> dict[str, np.ndarray]:
    """The best estimates of (V, I, φ), and a square root of their covariance.

    Returns:
        ``estimate`` ``[3]``: means in V, A, rad; ``root`` ``[3, 3]``: L with L Lᵀ = C, the covariance
        of the means, lower triangular: uncertainties and correlations in one.
    """
    observations = np.array([VOLTS, np.array(MILLIAMPERES) / 1000, RADIANS])
    covariance = np.cov(observations) / observations.shape[1]
    return {"estimate": observations.mean(axis=1), "root": np.linalg.cholesky(covariance)}


def example() -> tuple[np.ndarray, np.ndarray]:
    """The estimates themselves, on both sides: K is then the covariance of the results."""
    return np.zeros(3), np.zeros(3)


@function(
    x=ArraySpec("float64", (3,), low=-1, high=1),
    params=measured,
    wrt="x",
    example=example,
    tags=("metrology",),
)
def gum_impedance(params: dict[str, jax.Array], x: jax.Array) -> dict[str, jax.Array]:
    """R, X and |Z| from voltage, current and phase; K is their covariance, J C Jᵀ.

    The input is counted in standard deviations that are uncorrelated, (V, I, φ) = estimate + L x. By
    the chain rule J = J_measurement L, so K = J_measurement C J_measurementᵀ: the law of
    propagation of uncertainty for correlated inputs, of which the diagonal's roots are the combined
    standard uncertainties.

    Args:
        params: ``estimate`` ``[3]`` in V, A, rad, and ``root`` ``[3, 3]``, see ``measured``.
        x: deviation from the estimates, ``[3]``, in standard uncertainties; zero is the estimate.

    Returns:
        ``impedance`` |Z|, ``reactance`` X, ``resistance`` R: Ω, scalars; rows of K in this order.
    """
    volts, amperes, radians = params["estimate"] + params["root"] @ x
    modulus = volts / amperes
    return {
        "resistance": modulus * jnp.cos(radians),
        "reactance": modulus * jnp.sin(radians),
        "impedance": modulus,
    }
