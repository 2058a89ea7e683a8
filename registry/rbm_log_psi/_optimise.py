"""Optimise ``rbm_log_psi`` by natural gradient in sample space: ``python -m registry.rbm_log_psi._optimise``.

Stochastic reconfiguration solves (S + λ) δ = −F with S = Ōᵀ Ō over the parameters. Its twin with
K = Ō Ōᵀ over the configurations, δ = −Ōᵀ (K + λ)⁻¹ ε̄, has the same solution, and K is what ``POST /jjt``
answers. Here all 1,024 configurations are summed, so that nothing is random but the start.

Source: A. Chen, M. Heyl, "Empowering deep neural quantum states through efficient optimization",
Nature Physics 20, 1476 (2024), arXiv:2302.01941.
"""

from collections.abc import Iterator

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from registry.rbm_log_psi import SPINS, WEIGHTS, rbm_log_psi
from registry.rbm_log_psi._ising import configurations, energy, ground_energy, local_energies, probabilities

HIDDEN, STEPS = 20, 400

Params = dict[str, np.ndarray]


def start(seed: int) -> dict[str, np.ndarray]:
    """Small normal weights, float64."""
    random = np.random.RandomState(seed)
    shapes = {"visible": (SPINS,), "hidden": (HIDDEN,), "kernel": (HIDDEN, SPINS)}
    return {name: 0.1 * random.randn(*shape) for name, shape in shapes.items()}


def descent(natural: bool = True, steps: int = STEPS, seed: int = 0) -> Iterator[tuple[float, Params]]:
    """Energy and weights before each step, float64; by natural gradient, or to compare by the plain one."""
    chains = configurations(SPINS)
    flat, unravel = ravel_pytree(start(seed))
    value = jax.jit(jax.vmap(lambda theta, x: rbm_log_psi.apply(unravel(theta), x), (None, 0)))
    slope = jax.jit(jax.vmap(jax.grad(lambda theta, x: rbm_log_psi.apply(unravel(theta), x)), (None, 0)))
    for step in range(steps):
        log_psi, J = np.asarray(value(flat, chains)), np.asarray(slope(flat, chains))
        weight, local = probabilities(log_psi), local_energies(log_psi)
        yield float(weight @ local), jax.tree.map(np.asarray, unravel(flat))
        root = np.sqrt(weight)[:, None]
        centred, error = root * (J - weight @ J), root[:, 0] * (local - weight @ local)
        if natural:
            K = centred @ centred.T
            error = np.linalg.solve(K + max(1e-2 * 0.97**step, 1e-6) * np.eye(len(K)), error)
        flat = flat - 0.1 * centred.T @ error


def main() -> None:
    with jax.enable_x64(True):
        *_, (_, params) = descent()
    params = {name: array.astype(np.float32) for name, array in params.items()}
    log_psi = jax.vmap(rbm_log_psi.apply, (None, 0))(params, configurations(SPINS))
    reached = energy(np.asarray(log_psi, np.float64))
    exact = ground_energy(SPINS)
    print(f"energy {reached:.6f}, exact {exact:.6f}, relative error {(reached - exact) / abs(exact):.1e}")
    np.savez(WEIGHTS, allow_pickle=False, **params)


if __name__ == "__main__":
    main()
