"""Dynamax and BlackJAX: likelihoods of state-space models, and a trajectory of Hamiltonian dynamics."""

import blackjax.mcmc.integrators as integrators
import blackjax.mcmc.metrics as metrics
import jax
import jax.numpy as jnp
import numpy as np
from dynamax.hidden_markov_model import GaussianHMM
from dynamax.linear_gaussian_ssm import LinearGaussianSSM

from app import ArraySpec, function

STEPS = 6
kalman = LinearGaussianSSM(state_dim=2, emission_dim=3)
hidden = GaussianHMM(num_states=3, emission_dim=2)


@function(
    x=ArraySpec("float32", (STEPS, 3)),
    params=lambda: kalman.initialize(jax.random.PRNGKey(0))[0],
    wrt="params.dynamics.weights,params.emissions.weights",
)
def dynamax_kalman(params, x):
    """Marginal log likelihood by Kalman's filter; the parameters are named tuples."""
    return kalman.marginal_log_prob(params, x)


@function(
    x=ArraySpec("float32", (STEPS, 2)),
    params=lambda: hidden.initialize(jax.random.PRNGKey(0))[0],
    wrt="params.emissions",
)
def dynamax_hidden_markov(params, x):
    """Marginal log likelihood of a hidden Markov model with Gaussian emissions."""
    return hidden.marginal_log_prob(params, x)


@function(
    x={"position": ArraySpec("float32", (3,)), "momentum": ArraySpec("float32", (3,))},
    params={"precision": np.diag([1.0, 2.0, 0.5]).astype(np.float32) + 0.1, "mass": np.ones(3, np.float32)},
    wrt="params",
)
def blackjax_leapfrog(params, x):
    """Position and momentum after three steps of velocity Verlet."""

    def density(q):
        return -q @ params["precision"] @ q / 2 - jnp.sum(q**4)

    step = integrators.velocity_verlet(density, metrics.default_metric(params["mass"]).kinetic_energy)
    state = integrators.new_integrator_state(density, x["position"], x["momentum"])
    for _ in range(3):
        state = step(state, 0.1)
    return {"position": state.position, "momentum": state.momentum}
