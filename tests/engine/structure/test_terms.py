"""Uses of a leaf are grouped by the places that they read; what falls back is said."""

import jax.numpy as jnp
import numpy as np

from app.engine.structure.terms import fallbacks, terms
from tests.engine.structure.gradients import numbers, traced


def groups(apply, theta, x) -> list[tuple[int, str]]:
    """Number of uses and the kind of each term."""
    return [(len(term.uses), term.how) for term in terms(traced(apply, theta, x).uses)]


def test_two_uses_through_one_view_are_joined():
    assert groups(lambda w, x: w @ jnp.tanh(w @ x), numbers(5, 5), numbers(5)) == [(2, "joined")]


def test_uses_of_parts_that_do_not_meet_stay_apart():
    assert groups(lambda w, x: w[:5] @ jnp.tanh(w[5:] @ x), numbers(10, 5), numbers(5)) == [
        (1, "joined"),
        (1, "joined"),
    ]


def test_a_tied_embedding_meets_itself_transposed():
    tokens = np.array([1, 4], np.int32)
    assert groups(lambda t, x: jnp.tanh(t[x]) @ t.T, numbers(7, 5), tokens) == [(2, "tied")]


def test_views_that_overlap_have_their_gradient_formed_and_say_so():
    made = traced(lambda w, x: w[:6] @ x + w[4:] @ x, numbers(10, 5), numbers(5))
    assert [term.how for term in terms(made.uses)] == ["explicit"]
    assert [each.reason for each in fallbacks(made.uses)] == ["it is used through views that overlap"]


def test_a_leaf_that_keeps_its_structure_is_no_fallback():
    assert fallbacks(traced(lambda w, x: jnp.tanh(w @ x), numbers(3, 5), numbers(5)).uses) == []
