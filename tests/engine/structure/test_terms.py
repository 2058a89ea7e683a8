"""Uses of a leaf are grouped by the places that they read; what falls back is said."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from app.engine.algorithms.structured import Structured
from app.engine.signature import signature
from app.engine.structure.terms import fallbacks, terms
from app.engine.view import View
from app.engine.worlds import world
from tests.engine.structure.gradients import check, numbers, traced
from tests.zoo import ZOO, Entry

OVERLAP = "it is used through views that overlap"


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


# Of all other functions of the zoo every parameter keeps its structure.
FALLBACKS = {
    "linear_solve": {"params.w: it enters custom_linear_solve"},
    "fori_and_cond": {"params.w: it enters cond", "params.v: it enters cond"},
    "odd_leaves": {"params.gain: it enters select_n"},
    "overlapping_slices": {f"params: {OVERLAP}"},
    "kernel_and_factor": {f"params.kernel: {OVERLAP}", f"params.gate: {OVERLAP}"},
    "scaled_weights": {"params.log: it enters exp"},
    "masked_weights": {"params.lower: it enters select_n", "params.kept: it enters select_n"},
    "bent_weights": {
        "params.below: it enters div",
        "params.soft: it enters exp",
        "params.jvp: it enters custom_jvp_call",
        "params.vjp: it enters custom_vjp_call",
    },
    "moved_weights": {f"params.cut: {OVERLAP}"},
    "fixed_norm": {"params.variance: it enters rsqrt"},
    "scan_both": {"params.start: it is carried by a scan", f"params.bias: {OVERLAP}"},
}


@pytest.mark.parametrize(
    "entry",
    [each for each in ZOO if "params" in each.wrts and "structured" not in each.cannot],
    ids=lambda entry: entry.name,
)
def test_of_all_parameters_only_these_fall_back(entry: Entry):
    shapes = signature(entry.function)
    with world(entry.function):
        view = View(shapes, shapes.selection("params"), "float32")
        assert set(Structured().explicit(view)) == FALLBACKS.get(entry.name, set())


@pytest.mark.parametrize(
    ("name", "apply", "kinds"),
    [
        ("a difference to its transpose", lambda w, x: jnp.tanh((w - w.T) @ x), [(2, "tied")]),
        ("through a transpose, thrice", lambda w, x: w @ (w.T @ (w @ x)), [(3, "explicit")]),
        ("entry by entry and in a product", lambda w, x: w @ jnp.tanh(x * w[0]), [(2, "explicit")]),
        ("in another order of rows", lambda w, x: w @ x + w[::-1] @ jnp.tanh(x), [(2, "explicit")]),
        ("a bias, twice", lambda w, x: jnp.tanh(x + w[0]) + w[0], [(2, "joined")]),
        ("rows one by one", lambda w, x: sum(jnp.sin(w[i] @ x) for i in range(3)) * x, [(1, "joined")] * 3),
    ],
)
def test_how_uses_meet_depends_on_the_places_they_read(name: str, apply: Any, kinds: list[tuple[int, str]]):
    check(apply, numbers(5, 5), numbers(5))
    assert groups(apply, numbers(5, 5), numbers(5)) == kinds
