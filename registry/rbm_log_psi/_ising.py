"""The periodic transverse-field Ising chain, H = −Σ σᶻ_i σᶻ_{i+1} − Σ σˣ_i: states, energies, exact answer.

Knows no network: a state is a vector of log-amplitudes over all 2ⁿ configurations.
"""

import numpy as np


def configurations(spins: int) -> np.ndarray:
    """All 2ⁿ configurations of n spins as ±1, int8 ``[2ⁿ, n]``; row r holds the bits of r."""
    bits = np.arange(2**spins)[:, None] >> np.arange(spins) & 1
    return (1 - 2 * bits).astype(np.int8)


def couplings(spins: int) -> np.ndarray:
    """The diagonal of H: −Σ σᶻ_i σᶻ_{i+1} of each configuration, ``[2ⁿ]``."""
    chain = configurations(spins).astype(np.float64)
    return -(chain * np.roll(chain, 1, axis=1)).sum(axis=1)


def neighbours(spins: int) -> np.ndarray:
    """Rows of the configurations that differ in one spin, ``[2ⁿ, n]``."""
    return np.arange(2**spins)[:, None] ^ (1 << np.arange(spins))


def local_energies(log_psi: np.ndarray) -> np.ndarray:
    """(H ψ)(σ) / ψ(σ) for each configuration, ``[2ⁿ]``, from its log-amplitudes ``[2ⁿ]``."""
    spins = log_psi.size.bit_length() - 1
    flips = np.exp(log_psi[neighbours(spins)] - log_psi[:, None]).sum(axis=1)
    return couplings(spins) - flips


def probabilities(log_psi: np.ndarray) -> np.ndarray:
    """|ψ|² of each configuration, normalised, ``[2ⁿ]``."""
    weights = np.exp(2 * (log_psi - log_psi.max()))
    return weights / weights.sum()


def energy(log_psi: np.ndarray) -> float:
    """⟨ψ|H|ψ⟩ / ⟨ψ|ψ⟩."""
    return float(probabilities(log_psi) @ local_energies(log_psi))


def ground_energy(spins: int) -> float:
    """Smallest eigenvalue of H, by diagonalising the whole 2ⁿ × 2ⁿ matrix."""
    hamiltonian = np.diag(couplings(spins))
    rows = np.arange(2**spins)[:, None]
    hamiltonian[rows, neighbours(spins)] = -1.0
    return float(np.linalg.eigvalsh(hamiltonian)[0])
