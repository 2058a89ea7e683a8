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
