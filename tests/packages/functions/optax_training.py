"""Optax: weights after some steps of training, as a function of where they began and of the rate."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from app import ArraySpec, function

START = {"rate": np.float32(0.1), "w": np.array([[0.3, -0.2, 0.5]], np.float32)}


@function(x=ArraySpec("float32", (4, 3)), params=START, wrt="params")
def trained_by_adam(params, x):
    """Weights after five steps of Adam on the data x; its state counts the steps with an integer."""

    def loss(w):
        return optax.losses.huber_loss(w @ x.T, jnp.sin(x.sum(axis=1))[None]).mean()

    # The bias of 1 - 0.999^n is a difference of near numbers, and float32 alone would miss the bound by it.
    adam = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(params["rate"], b2=0.9, eps=1e-2))

    def step(state, _):
        w, moments = state
        updates, moments = adam.update(jax.grad(loss)(w), moments, w)
        return (optax.apply_updates(w, updates), moments), None

    return jax.lax.scan(step, (params["w"], adam.init(params["w"])), length=5)[0][0]


@function(x=ArraySpec("float32", (5,)), params={"table": np.eye(5, 7, dtype=np.float32) + 0.1}, wrt="params")
def projected_and_scored(params, x):
    """Losses with declared derivatives, and the projection on a simplex."""
    logits = x @ params["table"]
    onto = optax.projections.projection_simplex(logits)
    return jnp.stack(
        [
            optax.losses.softmax_cross_entropy_with_integer_labels(logits, 2),
            optax.losses.sigmoid_focal_loss(logits, jnp.ones(7, x.dtype)).sum(),
            (onto**2).sum(),
        ]
    )
