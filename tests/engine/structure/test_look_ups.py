"""Rows of a table: integers stand for the one-hot operand."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.engine.structure.gradients import check, numbers, traced

TOKENS = np.array([3, 0, 3, 6], np.int32)
LOOKS = {
    "rows": lambda t, x: jnp.tanh(t[x]),
    "columns": lambda t, x: jnp.tanh(t.T[:, x]),
    "take, out of range": lambda t, x: jnp.tanh(jnp.nan_to_num(jnp.take(t, x + 3, axis=0))),
    "clipped": lambda t, x: jnp.tanh(t.at[x + 3].get(mode="clip")),
    "a row for a number": lambda t, x: jnp.tanh(t[x[0]]),
}


@pytest.mark.parametrize("name", LOOKS)
def test_looked_up_rows_get_their_cotangents(name: str):
    (use,) = check(LOOKS[name], numbers(7, 5), TOKENS)
    assert use.looks_up
    assert use.index.shape == (7, 5)


def test_a_table_that_was_scaled_by_a_number_is_looked_up_all_the_same():
    (use,) = check(lambda t, x: jnp.tanh((2 * t)[x]), numbers(7, 5), TOKENS)
    assert use.looks_up


def test_a_table_that_was_scaled_by_what_is_computed_falls_back_and_is_right():
    (use,) = check(lambda t, x: jnp.tanh((jnp.cos(1.0) * t)[x]), numbers(7, 5), TOKENS)
    assert use.reason == "it enters gather"


@pytest.mark.parametrize(
    ("name", "apply", "equation"),
    [
        ("pairs", lambda t, x: jnp.tanh(t[x, x[::-1]]), "gather"),
        ("parts of rows", lambda t, x: jnp.tanh(t[x, 1:3]), "gather"),
        ("one of each row", lambda t, x: jnp.tanh(jnp.take_along_axis(t[:4], x[:, None], 1)), "gather"),
        ("two rows at once", lambda t, x: jnp.tanh(lax.dynamic_slice_in_dim(t, x[0], 2)), "dynamic_slice"),
        ("one entry", lambda t, x: jnp.tanh(lax.dynamic_slice(t, (x[0], x[1]), (1, 1))), "dynamic_slice"),
    ],
)
def test_what_is_no_whole_row_falls_back(name: str, apply, equation: str):
    (use,) = check(apply, numbers(7, 7), TOKENS)
    assert use.reason == f"it enters {equation}"


@pytest.mark.parametrize(
    ("name", "apply", "rows"),
    [
        ("places from the end", lambda t, x: jnp.tanh(t[x - 5]), [5, 2, 5, 1]),
        (
            "places outside that are filled",
            lambda t, x: t.at[x + 3].get(mode="fill", fill_value=1),
            [6, 3, 6, -1],
        ),
        ("places outside that are held back", lambda t, x: t.at[x + 3].get(mode="clip"), [6, 3, 6, 6]),
    ],
)
def test_places_become_rows_and_those_outside_none(name: str, apply, rows: list[int]):
    made = traced(apply, numbers(7, 5), TOKENS)
    (operand,), _ = made.forward([jnp.asarray(numbers(7, 5))], [jnp.asarray(TOKENS)[None]])
    assert np.asarray(operand).reshape(-1).tolist() == rows
    check(apply, numbers(7, 5), TOKENS)
