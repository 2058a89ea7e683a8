"""Loops and checkpoints: the walk goes inside, and nothing grows with the number of steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.engine.structure.gradients import check, numbers, traced


def recurrent(w, x):
    """A cell whose weights all steps share."""

    def step(state, value):
        state = jnp.tanh(w @ state + value)
        return state, state[0]

    state, firsts = lax.scan(step, jnp.zeros(3), x)
    return state + firsts.sum()


def stacked(w, x):
    """A layer of its own in each step."""
    return lax.scan(lambda state, layer: (jnp.tanh(layer @ state), None), x, w)[0]


def test_the_steps_of_shared_weights_join_the_positions():
    (use,) = check(recurrent, numbers(3, 3), numbers(5, 3))
    assert use.a is not None
    assert use.a.shape == (1, 5, 3)


def test_the_steps_of_stacked_weights_join_the_groups():
    (use,) = check(stacked, numbers(5, 3, 3), numbers(3))
    assert use.a is not None
    assert use.a.shape == (5, 1, 3)


def test_a_scan_backwards_pairs_the_same_steps():
    check(
        lambda w, x: lax.scan(lambda s, v: (jnp.tanh(w * s + v), s), x[0], x, reverse=True)[1],
        numbers(3),
        numbers(5, 3),
    )


def test_a_table_in_a_loop_is_looked_up_step_by_step():
    (use,) = check(
        lambda t, x: lax.scan(lambda s, i: (jnp.tanh(s + t[i]), None), jnp.zeros(5), x)[0],
        numbers(7, 5),
        np.array([1, 6, 1], np.int32),
    )
    assert use.looks_up


def test_a_leaf_in_the_carry_falls_back():
    (use,) = check(
        lambda w, x: lax.scan(lambda s, v: (jnp.tanh(s * v), None), w, x)[0], numbers(3), numbers(5, 3)
    )
    assert "carried" in use.reason


def test_a_checkpoint_and_a_jit_are_gone_into():
    inside = jax.jit(lambda w, x: jnp.tanh(w @ x))
    (use,) = check(lambda w, x: jax.checkpoint(lambda y: inside(w, y) ** 2)(x), numbers(3, 5), numbers(5))
    assert use.a is not None
    assert not use.reason


@pytest.mark.parametrize("apply", [recurrent, stacked])
def test_programs_do_not_grow_with_the_number_of_steps(apply):
    def size(steps: int) -> int:
        shapes = ((3, 3), (steps, 3)) if apply is recurrent else ((steps, 3, 3), (3,))
        made = traced(apply, *(numbers(*shape) for shape in shapes))
        return str(made._forward).count(" = ")

    assert size(10) == size(1000)


def test_a_branch_and_a_custom_rule_fall_back():
    square = jax.custom_jvp(lambda w: w * w)
    square.defjvp(lambda primals, tangents: (primals[0] ** 2, 3 * primals[0] * tangents[0]))
    (use,) = check(lambda w, x: square(w) * x, numbers(3), numbers(3))
    assert "custom_jvp" in use.reason
    (use,) = check(lambda w, x: lax.cond(x[0] > 0, jnp.sin, jnp.cos, w), numbers(3), numbers(3))
    assert "cond" in use.reason


WAYS = {
    "a slice of a leaf": (lambda w, x: stacked(w[1:4], x), (5, 3, 3), (3, 1, 3)),
    "a leaf on its side": (lambda w, x: stacked(w.transpose(1, 2, 0), x), (3, 5, 3), (5, 1, 3)),
    "layers of each step": (
        lambda w, x: lax.scan(lambda s, v: (stacked(v, s), None), x, w)[0],
        (2, 5, 3, 3),
        (10, 1, 3),
    ),
    "layers that steps share": (
        lambda w, x: lax.scan(lambda s, _: (stacked(w, s), None), x, None, length=2)[0],
        (5, 3, 3),
        (5, 2, 3),
    ),
    "a body rematerialised": (
        lambda w, x: lax.scan(jax.checkpoint(lambda s, v: (jnp.tanh(v @ s), None)), x, w)[0],
        (5, 3, 3),
        (5, 1, 3),
    ),
    "steps unrolled": (
        lambda w, x: lax.scan(lambda s, v: (jnp.tanh(v @ s), None), x, w, unroll=2)[0],
        (5, 3, 3),
        (5, 1, 3),
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_stacked_weights_keep_their_groups_however_they_come_to_the_loop(name: str):
    apply, shape, operand = WAYS[name]
    (use,) = check(apply, numbers(*shape), numbers(3))
    assert use.a is not None
    assert use.a.shape == operand
    assert not use.reason


def test_a_leaf_shared_and_stacked_at_once_is_two_uses():
    def apply(w, x):
        return lax.scan(lambda state, layer: (jnp.tanh(w[0] @ state + layer @ state), None), x, w)[0]

    shared, layers = check(apply, numbers(5, 3, 3), numbers(3))
    assert shared.a is not None
    assert layers.a is not None
    assert (shared.a.shape, layers.a.shape) == ((1, 5, 3), (5, 1, 3))


def test_rows_that_steps_pick_by_their_number_are_looked_up():
    (use,) = check(
        lambda w, x: lax.fori_loop(0, 5, lambda at, state: jnp.tanh(w[at] @ state), x),
        numbers(5, 3, 3),
        numbers(3),
    )
    assert use.looks_up
    assert use.index.shape == (5, 9)


def test_the_rows_of_stacked_tables_are_told_apart():
    def apply(tables, x):
        return lax.scan(lambda state, table: (jnp.tanh(state + table[x].sum(0)), None), jnp.zeros(5), tables)[
            0
        ]

    (use,) = check(apply, numbers(3, 7, 5), np.array([1, 6, 1], np.int32))
    assert use.index.shape == (21, 5)


@pytest.mark.parametrize("apply", [recurrent, stacked])
def test_there_are_as_many_taps_for_ten_steps_as_for_a_thousand(apply):
    def uses(steps: int) -> int:
        shapes = ((3, 3), (steps, 3)) if apply is recurrent else ((steps, 3, 3), (3,))
        return len(traced(apply, *(numbers(*shape) for shape in shapes)).uses)

    assert uses(10) == uses(1000) == 1


def test_a_leaf_that_is_scaled_before_a_loop_falls_back_and_is_right():
    (use,) = check(lambda w, x: stacked(jnp.cos(1.0) * w, x), numbers(5, 3, 3), numbers(3))
    assert "before it enters a loop" in use.reason


def test_a_leaf_that_a_body_hands_out_is_seen_by_its_gradient():
    (use,) = check(
        lambda w, x: lax.scan(lambda state, layer: (state * x, layer), x, w)[1].sum(0) * x,
        numbers(5, 3),
        numbers(3),
    )
    assert use.reason


def test_a_scan_of_no_steps_is_one():
    def apply(w, x):
        return lax.scan(lambda state, layer: (jnp.tanh(layer @ state), None), x, w[:0])[0] + w[0, 0]

    check(apply, numbers(2, 3, 3), numbers(3))


def test_a_number_in_front_of_stacked_weights_keeps_their_structure():
    (use,) = check(lambda w, x: stacked(-2 * w, x), numbers(5, 3, 3), numbers(3))
    assert use.a is not None
    assert not use.reason
