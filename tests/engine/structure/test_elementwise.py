"""Sums and products entry by entry, with repetition along axes that the leaf lacks."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import pytest

from tests.engine.structure.gradients import check, numbers

BIASES = {
    "bias": lambda b, x: jnp.tanh(x + b),
    "bias in front": lambda b, x: jnp.tanh(b + x),
    "taken away": lambda b, x: jnp.tanh(x - b),
    "taken from": lambda b, x: jnp.tanh(b - x),
    "turned round": lambda b, x: jnp.tanh(x + -b[::-1]),
}
SCALES = {
    "scale": lambda b, x: jnp.tanh(x * b),
    "numerator": lambda b, x: jnp.tanh(b / (2 + x * x)),
}


@pytest.mark.parametrize("name", BIASES)
def test_the_gradient_of_a_bias_is_the_cotangent_summed_over_what_it_is_repeated_along(name: str):
    (use,) = check(BIASES[name], numbers(5), numbers(7, 5))
    assert use.a is None
    assert use.index.shape == (1, 1, 5)
    assert not use.reason


@pytest.mark.parametrize("name", SCALES)
def test_the_gradient_of_a_scale_meets_the_other_factor_where_it_is_repeated(name: str):
    (use,) = check(SCALES[name], numbers(5), numbers(7, 5))
    assert use.a is not None
    assert use.a.shape == (5, 7, 1)
    assert not use.reason


@pytest.mark.parametrize(
    ("apply", "shape", "behind"),
    [
        (lambda b, x: jnp.tanh(x * b), (9, 8, 5), True),
        (lambda b, x: jnp.tanh(x[None] * b), (9, 8, 5), True),
        (lambda b, x: jnp.tanh(x * b[:, None, None]), (5, 9, 8), False),
        (lambda b, x: jnp.tanh(x * b[:, None]), (9, 5, 8), False),
    ],
)
def test_features_that_lie_behind_many_positions_are_known_and_summed_as_they_lie(
    apply: Callable[..., jax.Array], shape: tuple[int, ...], behind: bool
):
    (use,) = check(apply, numbers(5), numbers(*shape))
    assert use.a is not None
    assert use.a.shape == (5, 72, 1)
    assert use.behind == behind


def test_a_denominator_falls_back():
    (use,) = check(lambda b, x: x / (b * 1.5), 1 + numbers(5) ** 2, numbers(7, 5))
    assert use.reason == "it enters div"


def test_a_number_in_front_stays_a_view_and_its_factor_is_kept():
    (use,) = check(lambda w, x: jnp.tanh((w * 0.25 / 3) @ x), numbers(3, 5), numbers(5))
    assert use.a is not None
    assert not use.reason


def test_what_is_the_same_for_all_examples_may_be_added_to_a_view():
    (use,) = check(lambda w, x: jnp.tanh((w + jnp.arange(5.0)) @ x), numbers(3, 5), numbers(5))
    assert use.index.shape == (1, 5, 3)


def test_a_leaf_times_itself_is_two_uses():
    assert len(check(lambda w, x: jnp.tanh(w * w * x), numbers(5), numbers(5))) == 2
