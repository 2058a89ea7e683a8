"""Optimise ``rbm_log_psi`` by natural gradient in sample space: ``python -m registry.rbm_log_psi._optimise``.

Stochastic reconfiguration solves (S + λ) δ = −F with S = Ōᵀ Ō over the p parameters. Its twin with K = Ō Ōᵀ over the
configurations, δ = −Ōᵀ (K + λ)⁻¹ ε̄, has the same solution; K is what ``POST /jjt`` answers. Here all 1,024
configurations are summed, so that nothing is random but the start.

Source: Chen & Heyl, "Empowering deep neural quantum states through efficient optimization", Nature Physics 20 (2024).
"""

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from registry.rbm_log_psi import SPINS, WEIGHTS, rbm_log_psi
from registry.rbm_log_psi._ising import configurations, energy, ground_energy, local_energies, probabilities

HIDDEN, STEPS = 20, 400


def start(seed: int) -> dict[str, np.ndarray]:
    """Small normal weights, float64."""
    random = np.random.RandomState(seed)
    shapes = {"visible": (SPINS,), "hidden": (HIDDEN,), "kernel": (HIDDEN, SPINS)}
    return {name: 0.1 * random.randn(*shape) for name, shape in shapes.items()}


def optimise(seed: int = 0) -> dict[str, np.ndarray]:
    """Weights after ``STEPS`` steps, float64, found in float64."""
    chains = configurations(SPINS)
    flat, unravel = ravel_pytree(start(seed))
    value = jax.jit(jax.vmap(lambda theta, x: rbm_log_psi.apply(unravel(theta), x), (None, 0)))
    slope = jax.jit(jax.vmap(jax.grad(lambda theta, x: rbm_log_psi.apply(unravel(theta), x)), (None, 0)))
    for step in range(STEPS):
        log_psi, J = np.asarray(value(flat, chains)), np.asarray(slope(flat, chains))
        weight, local = probabilities(log_psi), local_energies(log_psi)
        root = np.sqrt(weight)[:, None]
        O, error = root * (J - weight @ J), root[:, 0] * (local - weight @ local)
        damping = max(1e-2 * 0.97**step, 1e-6)
        flat = flat - 0.1 * O.T @ np.linalg.solve(O @ O.T + damping * np.eye(len(O)), error)
    return jax.tree.map(np.asarray, unravel(flat))


def main() -> None:
    with jax.enable_x64(True):
        params = optimise()
    params = {name: array.astype(np.float32) for name, array in params.items()}
    reached = energy(np.float64(jax.vmap(rbm_log_psi.apply, (None, 0))(params, configurations(SPINS))))
    exact = ground_energy(SPINS)
    print(f"energy {reached:.6f}, exact {exact:.6f}, relative error {(reached - exact) / abs(exact):.1e}")
    np.savez(WEIGHTS, allow_pickle=False, **params)


if __name__ == "__main__":
    main()
