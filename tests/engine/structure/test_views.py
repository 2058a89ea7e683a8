"""Equations that only move entries: the leaf is still seen behind them."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

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
    "put": lambda w: jax.device_put(w.reshape(5, 6)),
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


def test_copies_that_are_no_whole_axes_fall_back_and_are_right():
    (use,) = check(
        lambda w, x: jnp.tanh(jnp.broadcast_to(w, (4, 6)).reshape(8, 3) @ x), numbers(6), numbers(3)
    )
    assert use.reason == "it enters dot_general"


def test_places_that_are_no_rectangle_fall_back_and_are_right():
    def apply(w, x):
        return jnp.tanh(jnp.concatenate([w, jnp.ones(1)]).reshape(2, 4) @ x)

    (use,) = check(apply, numbers(7), numbers(4))
    assert use.reason == "it enters dot_general"


def test_a_pad_that_cuts_off_or_spreads_falls_back_and_is_right():
    (use,) = check(lambda w, x: jnp.tanh(lax.pad(w, 0.0, [(-1, 2, 1)]) * x), numbers(4), numbers(8))
    assert use.reason == "it enters pad"


def test_a_leaf_beside_itself_is_two_views_of_one_value():
    first, second = check(lambda w, x: jnp.tanh(jnp.concatenate([w, -w], 1) @ x), numbers(5, 3), numbers(6))
    assert first.index.shape == second.index.shape == (1, 3, 5)
