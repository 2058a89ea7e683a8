"""One equation by itself gives what the whole function gives, whatever its inputs and outputs are."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from app.engine.structure.equations import evaluated, opened
from tests.engine.structure.gradients import numbers


def only(function: Any, *arrays: Any) -> Any:
    """The only equation of a function."""
    (equation,) = jax.make_jaxpr(function)(*arrays).jaxpr.eqns
    return equation


@pytest.mark.parametrize(
    ("function", "count"),
    [
        (lambda a, b: a - b, 2),
        (lambda a, b: jax.lax.mul(a, a), 1),  # one variable at two places
        (lambda a, b: jax.lax.sort((a, b), num_keys=1), 2),
        (lambda a, b: jax.lax.sort((a, b), num_keys=1)[1], 2),  # an output that nobody reads
    ],
)
def test_an_equation_alone_gives_its_outputs(function: Any, count: int):
    arrays = [numbers(5, seed=seed) for seed in (1, 2)]
    equation = only(function, *arrays)
    given = [jnp.asarray(array) for array in (arrays if count == 2 else arrays[:1] * 2)]
    known = [np.asarray(array) for array in jax.tree.leaves(function(*arrays))]
    np.testing.assert_array_equal(evaluated(equation, given)[-len(known) :], known)


def test_a_literal_is_no_input():
    equation = only(lambda a: a * 2.0, numbers(5))
    (found,) = evaluated(equation, [jnp.asarray(numbers(5)), jnp.asarray(2.0)])
    np.testing.assert_array_equal(found, 2 * numbers(5))


def test_a_nested_jaxpr_is_opened_closed_or_not():
    closed = jax.make_jaxpr(lambda a: a + numbers(5))(numbers(5))
    jaxpr, consts = opened(closed)
    assert len(consts) == len(jaxpr.constvars) == 1
    assert opened(jax.make_jaxpr(lambda a: a + 1)(1.0).jaxpr)[1] == []
