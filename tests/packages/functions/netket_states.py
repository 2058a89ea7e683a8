"""NetKet: logarithms of the amplitudes of quantum states. To import it turns float64 on."""

import jax
import jax.numpy as jnp
import netket as nk

from app import ArraySpec, function

SITES = 6
SPINS = ArraySpec("float32", (SITES,), low=-1, high=1)
rbm = nk.models.RBMModPhase(alpha=2, param_dtype=jnp.float32)
symmetric = nk.models.RBMSymm(
    symmetries=nk.graph.Chain(SITES).translation_group(), alpha=2, param_dtype=jnp.float32
)
autoregressive = nk.models.ARNNDense(
    hilbert=nk.hilbert.Spin(0.5, SITES), layers=2, features=5, param_dtype=jnp.float32
)


def variables(model):
    """A loader of the model's initial weights."""
    return lambda: model.init(jax.random.PRNGKey(0), jnp.ones((1, SITES), jnp.float32))


@function(x=SPINS, params=variables(rbm), wrt="params")
def netket_rbm(params, x):
    """Logarithm of the modulus, and phase."""
    y = rbm.apply(params, x[None])[0]
    return jnp.stack([y.real, y.imag])


@function(x=SPINS, params=variables(symmetric), wrt="params")
def netket_symmetric(params, x):
    """Logarithm of a positive amplitude with the translations of a chain."""
    return symmetric.apply(params, x[None])[0]


@function(x=SPINS, params=variables(autoregressive), wrt="params")
def netket_autoregressive(params, x):
    """Logarithm of an amplitude whose squares add up to one."""
    y = autoregressive.apply(params, jnp.sign(x)[None])[0]
    return jnp.stack([y.real, y.imag])
