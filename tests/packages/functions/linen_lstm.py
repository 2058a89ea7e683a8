"""Flax Linen: a long short-term memory, lifted over time by ``nn.RNN``."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from app import ArraySpec, function

STEPS, CHANNELS = 7, 3


class Reader(nn.Module):
    """A recurrent layer and a map of its last state."""

    @nn.compact
    def __call__(self, signal):
        """Two numbers for a signal, ``[steps, channels]`` -> ``[2]``."""
        states = nn.RNN(nn.OptimizedLSTMCell(5))(signal[None])[0]
        return nn.Dense(2)(states[-1])


reader = Reader()


@function(
    x=ArraySpec("float32", (STEPS, CHANNELS)),
    params=lambda: reader.init(jax.random.key(1), jnp.zeros((STEPS, CHANNELS))),
    wrt="params",
)
def linen_lstm(params, x):
    """Two numbers for a signal of three channels."""
    return reader.apply(params, x)
