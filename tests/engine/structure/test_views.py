"""Equations that only move entries: the leaf is still seen behind them."""

import jax.numpy as jnp
import pytest

from tests.engine.structure.gradients import check, numbers

MOVES = {
    "reshape": lambda w: w.reshape(5, 6),
    "transpose": lambda w: w.reshape(6, 5).T,
    "slice": lambda w: w.reshape(10, 3)[2:7],
    "stride": lambda w: w.reshape(10, 3)[::2],
    "reversed": lambda w: w[::-1].reshape(5, 6),
    "squeeze": lambda w: w.reshape(5, 1, 6)[:, 0],
    "padded": lambda w: jnp.pad(w.reshape(3, 10), ((1, 1), (0, 0))),
    "split": lambda w: jnp.split(w.reshape(10, 3), 2)[1],
    "joined": lambda w: jnp.concatenate([w.reshape(10, 3)[:3], jnp.ones((2, 3))]),
    "negative": lambda w: -w.reshape(5, 6),
}


@pytest.mark.parametrize("name", MOVES)
def test_a_product_behind_a_move_keeps_its_structure(name: str):
    (use,) = check(lambda w, x: jnp.tanh(x @ MOVES[name](w)), numbers(30), numbers(5))
    assert use.a is not None
    assert not use.reason


def test_leaves_of_one_matrix_that_was_joined_each_keep_their_own_columns():
    def apply(w, x):
        first, second = w[:10].reshape(5, 2), w[10:].reshape(5, 4)
        return jnp.tanh(x @ jnp.concatenate([first, second], 1))

    uses = check(apply, numbers(30), numbers(5))
    assert sorted(use.index.shape for use in uses) == [(1, 5, 2), (1, 5, 4)]


def test_a_leaf_that_is_tiled_is_summed_over_its_copies():
    (use,) = check(lambda w, x: jnp.tanh(x * jnp.tile(w, 3)), numbers(4), numbers(12))
    assert use.index.size == 4
