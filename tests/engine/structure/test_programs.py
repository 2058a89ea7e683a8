"""Which outputs of a program can differ between examples."""

import jax
import jax.numpy as jnp
import pytest

from app.engine.signature import signature
from app.engine.structure.metrics import pushed_through
from app.engine.structure.programs import depends, over_examples, programs
from app.engine.view import View
from app.engine.worlds import world
from tests.engine.structure.gradients import numbers
from tests.zoo import ZOO

PROGRAM = jax.make_jaxpr(lambda a, b: (a + 1, b * 2, jnp.sin(a) * b, b, jnp.ones(3), a))(
    jnp.ones(3), jnp.ones(3)
)


@pytest.mark.parametrize(
    ("varies", "known"),
    [
        ((False, False), [False] * 6),
        ((True, False), [True, False, True, False, False, True]),
        ((False, True), [False, True, True, True, False, False]),
        ((True, True), [True, True, True, True, False, True]),
    ],
)
def test_an_output_varies_if_and_only_if_it_is_made_of_what_varies(
    varies: tuple[bool, ...], known: list[bool]
):
    assert depends(PROGRAM, varies) == known


def test_a_loop_varies_as_a_whole():
    program = jax.make_jaxpr(
        lambda a, b: jax.lax.scan(lambda state, value: (state + value, value), jnp.zeros(()), a)[0] + b[0]
    )(jnp.ones(3), jnp.ones(3))
    assert depends(program, (True, False)) == [True]
    assert depends(program, (False, False)) == [False]


def test_what_does_not_vary_is_computed_once_and_has_no_axis_of_examples():
    run = over_examples(lambda w, x: [w @ x, w.T], (False, True), (True, False))
    product, moved = run(jnp.asarray(numbers(3, 5)), jnp.asarray(numbers(7, 5)))
    assert product.shape == (7, 3)
    assert moved.shape == (5, 3)


@pytest.mark.parametrize(
    ("name", "pushed"), [("affine", True), ("custom_vjp", True), ("bent_cotangent", False)]
)
def test_a_metric_is_pushed_unless_what_follows_has_no_transpose(name: str, pushed: bool):
    shapes = signature(next(entry.function for entry in ZOO if entry.name == name))
    with world(shapes.function):
        made = programs(View(shapes, shapes.selection("x"), "float32"))
        assert pushed_through(made, made.uses[0]) is pushed
