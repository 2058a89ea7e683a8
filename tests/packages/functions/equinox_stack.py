"""Equinox: layers that are stacked by ``filter_vmap`` and scanned over, and a static function."""

import equinox as eqx
import jax
import jax.numpy as jnp

from app import ArraySpec, function

WIDTH, DEPTH = 6, 4


class Net(eqx.Module):
    """A deep stack of like layers between two others."""

    first: eqx.nn.MLP
    stack: eqx.nn.Linear
    norm: eqx.nn.LayerNorm
    last: eqx.nn.Linear

    def __init__(self, key):
        first, stack, last = jax.random.split(key, 3)
        self.first = eqx.nn.MLP(3, WIDTH, 7, 1, activation=jax.nn.swish, key=first)
        self.stack = eqx.filter_vmap(lambda key: eqx.nn.Linear(WIDTH, WIDTH, key=key))(
            jax.random.split(stack, DEPTH)
        )
        self.norm = eqx.nn.LayerNorm(WIDTH)
        self.last = eqx.nn.Linear(WIDTH, "scalar", key=last)

    def __call__(self, x):
        """One number for three."""
        arrays, static = eqx.partition(self.stack, eqx.is_array)

        def step(h, layer):
            return h + jnp.tanh(eqx.combine(layer, static)(self.norm(h))), None

        return self.last(jax.lax.scan(step, self.first(x), arrays)[0])


@function(x=ArraySpec("float32", (3,)), params=lambda: Net(jax.random.key(0)), wrt="params")
def equinox_stack(params, x):
    """One number for three, and itself squared."""
    y = params(x)
    return {"y": y, "square": y**2}
