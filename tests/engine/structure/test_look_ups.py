"""Rows of a table: integers stand for the one-hot operand."""

import jax.numpy as jnp
import numpy as np
import pytest

from tests.engine.structure.gradients import check, numbers

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


def test_a_table_that_was_scaled_by_a_number_falls_back_and_is_right():
    (use,) = check(lambda t, x: jnp.tanh((2 * t)[x]), numbers(7, 5), TOKENS)
    assert use.reason == "it enters gather"
