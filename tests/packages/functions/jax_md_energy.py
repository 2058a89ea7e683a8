"""JAX-MD: energies and forces of particles in a periodic box."""

import numpy as np
from jax_md import energy, quantity, space

from app import ArraySpec, function

PARTICLES, BOX = 5, 3.0
displacement, _ = space.periodic(BOX)
X = ArraySpec("float32", (PARTICLES, 2), low=0, high=BOX)
PAIR = {"sigma": np.float32(1.0), "epsilon": np.float32(0.7)}
MORSE = {"sigma": np.float32(0.9), "alpha": np.float32(4.0), "epsilon": np.float32(0.5)}


@function(x=X, params=PAIR, wrt="params")
def soft_sphere_forces(params, x):
    """Forces between soft spheres that overlap."""
    potential = energy.soft_sphere_pair(displacement, sigma=params["sigma"], epsilon=params["epsilon"])
    return quantity.force(potential)(x)


@function(x=X, params=MORSE, wrt="x")
def morse_energy(params, x):
    """Energy of Morse's potential, cut off smoothly."""
    return energy.morse_pair(displacement, r_onset=1.0, r_cutoff=1.4, **params)(x)
