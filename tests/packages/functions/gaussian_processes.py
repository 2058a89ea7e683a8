"""tinygp and GPJax: predictions of Gaussian processes and their marginal likelihood."""

import gpjax as gpx
import jax.numpy as jnp
import numpy as np
import tinygp

from app import ArraySpec, function

TIMES = np.linspace(0, 3, 7, dtype=np.float32)
VALUES = np.sin(TIMES)
HYPER = {"scale": np.float32(1.2), "size": np.float32(0.9), "noise": np.float32(0.5)}


@function(x=ArraySpec("float32", (), low=0, high=3), params=HYPER, wrt="params")
def tinygp_prediction(params, x):
    """Mean and variance at a time, by a dense solver."""
    kernel = params["size"] * tinygp.kernels.Matern52(params["scale"])
    process = tinygp.GaussianProcess(kernel, jnp.asarray(TIMES), diag=params["noise"])
    _, conditioned = process.condition(jnp.asarray(VALUES), x[None])
    return jnp.concatenate([conditioned.loc, conditioned.variance])


@function(x=ArraySpec("float32", (7,)), params=HYPER, wrt="params")
def tinygp_quasiseparable(params, x):
    """Marginal log likelihood of seven values, by a solver that scans along the times."""
    kernel = tinygp.kernels.quasisep.Matern32(scale=params["scale"], sigma=params["size"])
    return tinygp.GaussianProcess(kernel, jnp.asarray(TIMES), diag=params["noise"]).log_probability(x)


@function(x=ArraySpec("float32", (1,), low=0, high=3), params=HYPER, wrt="params")
def gpjax_prediction(params, x):
    """Mean at a time."""
    prior = gpx.gps.Prior(
        mean_function=gpx.mean_functions.Zero(),
        kernel=gpx.kernels.RBF(lengthscale=params["scale"], variance=params["size"]),
    )
    model = prior * gpx.likelihoods.Gaussian(obs_stddev=params["noise"])
    data = gpx.Dataset(X=jnp.asarray(TIMES)[:, None], y=jnp.asarray(VALUES)[:, None])
    return model.condition(data)(x[None]).mean
