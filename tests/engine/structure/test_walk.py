"""The walk computes what f computes, and lays its taps where leaves enter and nowhere else."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array, lax

from app.engine.structure.values import Value, whole_leaf
from app.engine.structure.walk import Walk
from tests.engine.structure.gradients import check, numbers, traced


def function(w: Any, x: Any) -> Any:
    """Views, a product, a loop, a bias and an integer on the way."""
    hidden = jnp.tanh(-w.T[:, :3] @ x[:3] + w[0, 0])
    steps = lax.scan(lambda state, value: (jnp.sin(state * value), state), hidden, x)[1]
    return steps.sum(axis=0) * jnp.argmax(w[0])


def walked(walk: Walk, w: Array, x: Array) -> list[Value]:
    """The walk over ``function``, w being a leaf."""
    closed = jax.make_jaxpr(function)(w, x)
    return walk.run(closed.jaxpr, closed.consts, [whole_leaf(0, w, False), Value(x, (), True)])


def test_the_values_are_those_of_the_function_to_the_last_bit():
    w, x = jnp.asarray(numbers(3, 5)), jnp.asarray(numbers(5))
    (value,) = jax.jit(lambda w, x: [each.array for each in walked(Walk(), w, x)])(w, x)
    np.testing.assert_array_equal(value, jax.jit(function)(w, x))


def test_taps_have_the_shapes_that_were_foretold_and_each_belongs_to_a_use():
    w, x = jnp.asarray(numbers(3, 5)), jnp.asarray(numbers(5))
    shapes = Walk.taps_of(lambda walk, given: walked(walk, *given), [w, x])
    walk = Walk([jnp.full(tap.shape, 0.0, tap.dtype) for tap in shapes])
    walked(walk, w, x)
    assert [tap.shape for tap in walk.taps] == [tap.shape for tap in shapes] != []
    assert {use.tap for use in walk.uses} == set(range(len(shapes)))


@pytest.mark.parametrize(
    ("name", "apply"),
    [
        ("unreached", lambda w, x: jnp.sin(x)),
        ("only its sign is read", lambda w, x: jnp.where((w > 0).all(), x, -x)),
        ("as an integer", lambda w, x: x * w.astype(int)),
        ("only its shape is read", lambda w, x: x * jnp.zeros_like(w)),
    ],
)
def test_a_leaf_without_a_derivative_has_no_tap(name: str, apply: Any):
    assert check(apply, numbers(5), numbers(5)) == []


@pytest.mark.parametrize(
    ("apply", "reason"),
    [
        (lambda w, x: jnp.exp(w) * x, "it enters exp"),
        (lambda w, x: x / w, "it enters div"),
        (lambda w, x: jnp.where(x > 0, w, 0) * x, "it enters select_n"),
        (lambda w, x: w.sum() * x, "it enters reduce_sum"),
        (lambda w, x: jnp.sort(w) * x, "it enters sort"),
        (lambda w, x: jax.nn.relu(w) * x, "it enters custom_jvp_call"),
        (lambda w, x: jnp.concatenate([w, x]), "it enters concatenate"),
        (lambda w, x: 1.5 * w, "it is an output itself"),
    ],
)
def test_where_no_rule_knows_how_the_gradient_is_explicit_and_the_reason_said(apply: Any, reason: str):
    uses = check(apply, numbers(5), numbers(5))
    assert {use.reason for use in uses} == {reason}
    assert {use.index.shape for use in uses} == {(1, 1, 5)}


def test_a_leaf_falls_back_where_no_rule_knows_how_and_only_there():
    explicit, kept = check(lambda w, x: jnp.exp(w) @ x + jnp.tanh(w @ x), numbers(3, 5), numbers(5))
    assert explicit.reason
    assert not kept.reason


def test_a_sum_of_views_is_a_use_of_each():
    uses = check(lambda w, x: jnp.tanh((2 * w[:3] - w[1:]) @ x), numbers(4, 5), numbers(5))
    assert [use.index.shape for use in uses] == [(1, 5, 3)] * 2


def test_a_number_that_an_example_sets_is_no_scale_of_a_view():
    (use,) = check(lambda w, x: jnp.tanh((x[0] * w) @ x), numbers(3, 5), numbers(5))
    assert use.a is not None
    assert use.a.shape == (15, 1, 1)


def test_cotangents_that_are_the_same_for_all_examples_have_no_axis_of_examples():
    linear = traced(lambda w, x: w @ x, numbers(3, 5), numbers(5))
    assert linear.operand_varies == (True,)
    assert linear.cotangent_varies == (False,)
    bent = traced(lambda w, x: jnp.tanh(w @ x), numbers(3, 5), numbers(5))
    assert bent.cotangent_varies == (True,)
