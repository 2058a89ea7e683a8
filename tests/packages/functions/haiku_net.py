"""Haiku: a convolution, a recurrent core and nested modules, whose names hold slashes and tildes."""

import haiku as hk
import jax
import jax.numpy as jnp

from app import ArraySpec, function

SHAPE = (9, 2)


class Block(hk.Module):
    """Two layers, named below the module's own name."""

    def __init__(self, name=None):
        super().__init__(name)
        self.hidden = hk.Linear(7, name="hidden")
        self.out = hk.Linear(3)

    def __call__(self, h):
        """Three numbers for any."""
        return self.out(jax.nn.elu(self.hidden(h)))


def forward(signal):
    """Three numbers for a signal, ``[steps, channels]`` -> ``[3]``."""
    h = jax.nn.relu(hk.Conv1D(5, 3, padding="SAME")(signal))
    core = hk.GRU(4)
    states, _ = hk.dynamic_unroll(core, h, core.initial_state(None))
    h = hk.LayerNorm(-1, create_scale=True, create_offset=True)(states[-1])
    return Block("block")(h)


net = hk.without_apply_rng(hk.transform(forward))


@function(
    x=ArraySpec("float32", SHAPE),
    params=lambda: net.init(jax.random.PRNGKey(0), jnp.zeros(SHAPE)),
    wrt="params",
)
def haiku_net(params, x):
    """Three numbers for nine samples of two channels."""
    return net.apply(params, x)
