"""``dot_general``: the other operand is A, whichever side the leaf stands on."""

import jax.numpy as jnp
import pytest
from jax import lax

from tests.engine.structure.gradients import check, numbers

PRODUCTS = {
    "matrix times vector": (lambda w, x: jnp.tanh(w @ x), (3, 5), (5,), (1, 1, 5, 3)),
    "vector times matrix": (lambda w, x: jnp.tanh(x @ w), (5, 3), (5,), (1, 1, 5, 3)),
    "tokens times matrix": (lambda w, x: jnp.tanh(x @ w), (5, 3), (7, 5), (1, 7, 5, 3)),
    "matrix times tokens": (lambda w, x: jnp.tanh(w @ x.T), (3, 5), (7, 5), (1, 7, 5, 3)),
    "heads": (lambda w, x: jnp.tanh(jnp.einsum("td,dhe->the", x, w)), (5, 2, 3), (7, 5), (1, 7, 5, 6)),
    "batched by group": (
        lambda w, x: jnp.tanh(jnp.einsum("gtc,gcf->gtf", x, w)),
        (2, 5, 3),
        (2, 7, 5),
        (2, 7, 5, 3),
    ),
    "two contracted axes": (
        lambda w, x: jnp.tanh(jnp.einsum("tab,abf->tf", x, w)),
        (2, 5, 3),
        (7, 2, 5),
        (1, 7, 10, 3),
    ),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_leaf_in_a_product_has_the_other_operand_and_the_cotangent_as_factors(name: str):
    apply, theta, x, (e, s, c, f) = PRODUCTS[name]
    (use,) = check(apply, numbers(*theta), numbers(*x))
    assert use.a is not None
    assert use.a.shape == (e, s, c)
    assert use.index.shape == (e, c, f)
    assert not use.reason


def test_a_weight_that_is_repeated_over_a_batch_is_shared_by_it():
    def apply(w, x):
        repeated = jnp.broadcast_to(w, (4, 5, 3))
        return jnp.tanh(lax.dot_general(x, repeated, (((2,), (1,)), ((0,), (0,)))))

    (use,) = check(apply, numbers(5, 3), numbers(4, 7, 5))
    assert use.a is not None
    assert use.a.shape == (1, 28, 5)


def test_both_operands_of_one_product_are_two_uses():
    uses = check(lambda w, x: jnp.tanh(w @ w.T) @ x, numbers(3, 5), numbers(3))
    assert len(uses) == 2
