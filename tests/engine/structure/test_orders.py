"""All orders of contraction give one product; which is taken depends on sizes alone."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from app.engine.structure.factors import Factor, gradients
from app.engine.structure.orders import ORDERS, Arithmetic, order, product
from app.engine.structure.windows import Windows
from tests.engine.structure.gradients import numbers

HOW = Arithmetic("float32", "highest")
WITHOUT_PIXELS = [name for name in ORDERS if name != "windows"]
SHAPES = [(1, 1, 5, 3), (1, 7, 5, 3), (1, 70, 5, 3), (2, 70, 5, 3), (2, 7, 5, 3), (5, 7, 1, 1), (2, 1, 5, 3)]


def factor(n: int, k: int, e: int, s: int, c: int, f: int, shared: bool = False) -> Factor:
    """Random factors; one operand for all examples where shared."""
    a = jnp.asarray(numbers(1 if shared else n, e, s, c, seed=n))
    metric = jnp.einsum("esc,etc->est", a[0], a[0]) if shared else None
    return Factor(a, jnp.asarray(numbers(n, k, e, s, f, seed=n)), metric)


def dense(one: Factor, other: Factor) -> np.ndarray:
    """The product by its definition, in float64."""
    sides = []
    for each in (one.spread(one.n), other.spread(other.n)):
        assert each.a is not None
        a, g = np.asarray(each.a, np.float64), np.asarray(each.g, np.float64)
        sides.append(np.einsum("nesc,nkesf->nkecf", a, g))
    return np.einsum("ioecf,jqecf->iojq", *sides)


@pytest.mark.parametrize("name", WITHOUT_PIXELS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("shared", [False, True])
def test_every_order_gives_the_product(name: str, shape: tuple[int, int, int, int], shared: bool):
    one, other = factor(3, 2, *shape, shared=shared), factor(4, 2, *shape, shared=shared)
    if shared:
        other = Factor(one.a, other.g, one.metric)
    known = dense(one, other)
    np.testing.assert_allclose(ORDERS[name](one, other, HOW), known, rtol=0, atol=1e-5 * np.abs(known).max())


@pytest.mark.parametrize("n", [6, 7])
@pytest.mark.parametrize("shape", [(64, 1, 1, 512, 512), (10, 1, 32, 512, 512), (10, 3, 32, 256, 256)])
def test_of_a_factor_by_itself_a_quarter_is_left_out(n: int, shape: tuple[int, ...]):
    k, e, s, c, f = shape
    one, half = factor(n, k, e, s, c, f), n // 2
    assert order(one, one) != "gradients"
    both, by_itself = product(one, replace(one), HOW), product(one, one, HOW)
    assert not np.any(by_itself[half:, :, :half])
    np.testing.assert_allclose(by_itself[:half], both[:half], rtol=0, atol=1e-5 * np.abs(both).max())
    np.testing.assert_allclose(
        by_itself[half:, :, half:], both[half:, :, half:], rtol=0, atol=1e-5 * np.abs(both).max()
    )


def test_a_small_factor_by_itself_is_one_product():
    one = factor(8, 2, 1, 1, 5, 3)
    assert np.all(np.asarray(product(one, one, HOW)) == np.asarray(product(one, replace(one), HOW)))


@pytest.mark.parametrize("name", ["grams", "inside"])
def test_rows_of_a_table_meet_where_they_are_equal(name: str):
    rows1, rows2 = jnp.array([[0, 2, -1], [1, 1, 2]]), jnp.array([[2, 2, -1]])
    one = Factor(rows1, jnp.asarray(numbers(2, 4, 1, 3, 5)))
    other = Factor(rows2, jnp.asarray(numbers(1, 4, 1, 3, 5)))
    hot = [np.where(np.arange(3) == np.asarray(rows)[:, None, :, None], 1.0, 0.0) for rows in (rows1, rows2)]
    known = dense(Factor(jnp.asarray(hot[0]), one.g), Factor(jnp.asarray(hot[1]), other.g))
    np.testing.assert_allclose(ORDERS[name](one, other, HOW), known, rtol=0, atol=1e-5)


def test_an_example_that_stands_for_all_is_not_repeated():
    one, other = factor(1, 2, 1, 1, 5, 3), factor(4, 2, 1, 1, 5, 3)
    assert product(one, other, HOW).shape == (1, 2, 4, 2)


@pytest.mark.parametrize(
    ("sizes", "name"),
    [
        ((32, 10, 1, 1, 512, 512), "grams"),
        ((8, 10, 1, 64, 576, 64), "inside"),
        ((8, 10, 1, 64, 27, 64), "gradients"),
        ((64, 10, 1, 16, 64, 64), "gradients"),
    ],
)
def test_the_order_is_the_one_that_was_the_fastest_when_timed(sizes: tuple[int, ...], name: str):
    n, k, e, s, c, f = sizes
    one = Factor(jnp.broadcast_to(0.0, (n, e, s, c)), jnp.broadcast_to(0.0, (n, k, e, s, f)))
    assert order(one, one) == name


@pytest.mark.parametrize(
    ("n", "side", "channels", "features", "name"),
    [
        (8, 8, 256, 256, "windows"),
        (8, 8, 64, 64, "windows"),
        (8, 16, 32, 32, "gradients"),
        (1, 8, 3, 64, "gradients"),
    ],
)
def test_pixels_are_multiplied_where_that_was_the_fastest(
    n: int, side: int, channels: int, features: int, name: str
):
    windows = Windows.of([side] * 2, [3] * 2, [(1, 1)] * 2)
    a, g = ((n, 1, side**2, 9 * channels), (n, 10, 1, side**2, features))
    one = Factor(jnp.broadcast_to(0.0, a), jnp.broadcast_to(0.0, g), windows=windows)
    assert order(one, one) == name


def test_patches_are_multiplied_where_windows_differ_or_all_examples_share_them():
    windows = Windows.of([8] * 2, [3] * 2, [(1, 1)] * 2)
    a, g = jnp.broadcast_to(0.0, (8, 1, 64, 2304)), jnp.broadcast_to(0.0, (8, 10, 1, 64, 256))
    one, other = Factor(a, g, windows=windows), Factor(a, g)
    assert order(one, one) == "windows"
    assert order(one, other) == order(other, one) == "inside"
    shared = Factor(a[:1], g, windows=windows)
    assert order(shared, shared) != "windows"


@pytest.mark.parametrize("name", WITHOUT_PIXELS)
@pytest.mark.parametrize("one_stands", ["a", "g", "both", "neither"])
def test_every_order_takes_operands_or_cotangents_that_stand_for_all_examples(name: str, one_stands: str):
    def made(n: int, k: int) -> Factor:
        whole = factor(n, k, 2, 3, 5, 7)
        assert whole.a is not None
        a = whole.a[:1] if one_stands in ("a", "both") else whole.a
        return Factor(a, whole.g[:1] if one_stands in ("g", "both") else whole.g)

    one, other = made(3, 2), made(4, 5)
    known = dense(one, other)
    np.testing.assert_allclose(ORDERS[name](one, other, HOW), known, rtol=0, atol=1e-5 * np.abs(known).max())


@pytest.mark.parametrize("name", WITHOUT_PIXELS)
def test_factors_of_float16_are_multiplied_in_the_dtype_of_the_matrix(name: str):
    def halved(each: Factor) -> Factor:
        assert each.a is not None
        return Factor(each.a.astype("float16"), each.g.astype("float16"))

    one, other = halved(factor(3, 2, 1, 5, 7, 3)), halved(factor(4, 2, 1, 5, 7, 3))
    found = ORDERS[name](one.cast("float32"), other.cast("float32"), HOW)
    known = dense(one, other)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, known, rtol=0, atol=1e-5 * np.abs(known).max())


@pytest.mark.parametrize("name", WITHOUT_PIXELS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("shared", [False, True])
def test_every_order_takes_riders_for_columns_of_ones(
    name: str, shape: tuple[int, int, int, int], shared: bool
):
    one, other = factor(3, 2, *shape, shared=shared), factor(4, 2, *shape, shared=shared)
    if shared:
        other = Factor(one.a, other.g, one.metric)

    def wider(each: Factor) -> Factor:
        assert each.a is not None
        return Factor(jnp.concatenate([each.a, jnp.ones((*each.a.shape[:-1], 2))], -1), each.g)

    known = dense(wider(one), wider(other))
    one, other = replace(one, riders=2), replace(other, riders=2)
    np.testing.assert_allclose(ORDERS[name](one, other, HOW), known, rtol=0, atol=1e-5 * np.abs(known).max())


@pytest.mark.parametrize("riders", [0, 2])
@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize("shared", [False, True])
def test_sums_over_many_positions_are_the_gradients_wherever_features_lie(riders: int, c: int, shared: bool):
    one = replace(factor(3, 2, 5, 64, c, 1, shared=shared), riders=riders)
    known = gradients(one, "highest")
    found = gradients(replace(one, behind=True), "highest")
    np.testing.assert_allclose(found, known, rtol=0, atol=1e-5 * np.abs(known).max())
