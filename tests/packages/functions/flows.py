"""Distrax and FlowJAX: log densities of normalising flows."""

import distrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flowjax.distributions import Normal
from flowjax.flows import block_neural_autoregressive_flow, masked_autoregressive_flow

from app import ArraySpec, function

X = ArraySpec("float32", (3,), low=-2, high=2)
BINS = 4


def spline():
    """Weights of the map from a half of the example to the spline of the other."""
    random = np.random.default_rng(0)
    return {
        "w": random.normal(size=(2 * (3 * BINS + 1), 1)).astype(np.float32),
        "b": random.normal(size=2 * (3 * BINS + 1)).astype(np.float32),
        "scale": np.array([0.1, -0.2, 0.3], np.float32),
    }


@function(x=X, params=spline, wrt="params")
def distrax_spline(params, x):
    """Log density of a coupling flow with rational quadratic splines."""

    def conditioner(h):
        return (params["w"] @ h + params["b"]).reshape(2, 3 * BINS + 1)

    bijector = distrax.Chain(
        [
            distrax.SplitCoupling(1, 1, conditioner, lambda p: distrax.RationalQuadraticSpline(p, -3.0, 3.0)),
            distrax.Block(distrax.ScalarAffine(jnp.zeros(3), log_scale=params["scale"]), 1),
        ]
    )
    noise = distrax.Independent(distrax.Normal(jnp.zeros(3), jnp.ones(3)), 1)
    return distrax.Transformed(noise, bijector).log_prob(x)


def masked():
    """A masked autoregressive flow of two layers."""
    return masked_autoregressive_flow(
        jax.random.key(0), base_dist=Normal(jnp.zeros(3)), flow_layers=2, nn_width=5, nn_depth=1
    )


def block():
    """A block neural autoregressive flow of one layer."""
    return block_neural_autoregressive_flow(
        jax.random.key(1), base_dist=Normal(jnp.zeros(3)), flow_layers=1, nn_block_dim=2
    )


# A flow holds bounds and slopes as numbers of Python's own, which are no parameters of it: as in FlowJAX's
# own examples, the arrays are parted from the rest.
def arrays(flow):
    """What is trained."""
    return eqx.filter(flow, eqx.is_inexact_array)


def rest(flow):
    """What is not."""
    return eqx.filter(flow, eqx.is_inexact_array, inverse=True)


MASKED, BLOCK = rest(masked()), rest(block())


@function(x=X, params=lambda: arrays(masked()), wrt="params")
def flowjax_masked(params, x):
    """Log density of a masked autoregressive flow, whose weights are wrapped in their masks."""
    return eqx.combine(params, MASKED).log_prob(x)


@function(x=X, params=lambda: arrays(block()), wrt="params")
def flowjax_block(params, x):
    """Log density of a block neural autoregressive flow, whose weights are normalised."""
    return eqx.combine(params, BLOCK).log_prob(x)
