"""Flax Linen: an encoder block with attention and layer norms, and an embedding that is tied to the head."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from app import ArraySpec, function

TOKENS, VOCABULARY, WIDTH = 5, 11, 12


class Encoder(nn.Module):
    """One block of an encoder, in evaluation mode."""

    @nn.compact
    def __call__(self, tokens):
        """Logits of the last token, ``[tokens]`` -> ``[vocabulary]``."""
        embed = nn.Embed(VOCABULARY, WIDTH)
        h = embed(tokens)
        h = h + nn.MultiHeadDotProductAttention(num_heads=3, deterministic=True)(nn.LayerNorm()(h))
        h = h + nn.Dense(WIDTH)(nn.gelu(nn.Dense(17)(nn.RMSNorm()(h))))
        return embed.attend(nn.Dropout(0.1, deterministic=True)(h[-1]))


encoder = Encoder()


def variables():
    """The initial weights."""
    return encoder.init(jax.random.key(0), jnp.zeros(TOKENS, jnp.int32))


@function(x=ArraySpec("int32", (TOKENS,), low=0, high=VOCABULARY), params=variables, wrt="params")
def linen_transformer(params, x):
    """Logits after five tokens."""
    return encoder.apply(params, x)
