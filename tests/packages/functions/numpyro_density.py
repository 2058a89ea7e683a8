"""NumPyro: the joint log density of a hierarchical model, traced through its effect handlers."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer.util import log_density

from app import ArraySpec, function

GROUPS = np.array([0, 0, 1, 1, 2])


def model(y):
    """Five measurements in three groups."""
    mean = numpyro.sample("mean", dist.Normal(0, 3))
    spread = numpyro.sample("spread", dist.HalfCauchy(1))
    freedom = numpyro.sample("freedom", dist.Gamma(2, 0.1))
    with numpyro.plate("groups", 3):
        level = numpyro.sample("level", dist.Normal(mean, spread))
    numpyro.sample("y", dist.StudentT(freedom, level[GROUPS], 0.5), obs=y)


VALUES = {
    "mean": np.float32(0.3),
    "spread": np.float32(0.8),
    "freedom": np.float32(5.0),
    "level": np.array([0.1, -0.4, 1.2], np.float32),
}


@function(x=ArraySpec("float32", (5,)), params=VALUES, wrt="params")
def numpyro_density(params, x):
    """Log density of the values and the measurements together."""
    return log_density(model, (x,), {}, params)[0]


TABLE = {"beta": np.array([[0.3, 0.5], [-0.2, 0.1], [0.4, -0.7]], np.float32)}


@function(
    x={"z": ArraySpec("float32", (2,)), "n": ArraySpec("int32", (3,), low=0, high=9)},
    params=TABLE,
    wrt="params",
)
def numpyro_counts(params, x):
    """Log probability of counts: a mixture whose rates are a linear map, and a multinomial."""
    rates = jnp.exp(params["beta"] @ x["z"])
    mixture = dist.MixtureSameFamily(dist.Categorical(logits=jnp.zeros(3)), dist.Poisson(rates))
    return mixture.log_prob(x["n"].sum()), dist.Dirichlet(1 + rates).log_prob(jnp.array([0.2, 0.3, 0.5]))
