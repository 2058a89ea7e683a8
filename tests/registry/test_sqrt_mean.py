"""The matrix of the original question."""

# ruff: noqa: NPY002 (the question was asked with the global generator)
import jax
import numpy as np

from registry.sqrt_mean import example, mixture, sqrt_mean
from tests.registry.dense import jacobian, matrix

FIRST_ROW = np.array([3.3123782e-05, 2.5001222e-05, 2.4946943e-05, 2.5180108e-05, 2.4940484e-05])


def test_the_example_gives_the_first_row_of_the_original_question():
    x1, x2 = example()
    np.testing.assert_allclose(matrix(sqrt_mean, x1, x2)[0], FIRST_ROW, rtol=2e-6)


def test_the_single_precision_answer_gives_it_too():
    x1, x2 = example()
    J1, J2 = (jax.jacrev(sqrt_mean.apply, argnums=1)(mixture(), x) for x in (x1, x2))
    np.testing.assert_allclose((J1 @ J2.T)[0], FIRST_ROW, rtol=2e-6)


def test_the_jacobian_is_the_mixture_over_twice_the_mean_root():
    x, _ = example()
    A = mixture().astype(np.float64)
    closed = A / (2 * x.size * np.sqrt(A @ x / x.size))[:, None]
    np.testing.assert_allclose(jacobian(sqrt_mean, x), closed, rtol=1e-12)


def test_the_numbers_are_drawn_as_the_question_drew_them_and_the_global_generator_is_left_alone():
    np.random.seed(1701)
    drawn = [np.random.rand(5, 10_000), np.random.rand(10_000), np.random.rand(10_000)]
    np.random.seed(7)
    first = np.random.rand()
    np.random.seed(7)
    made = [mixture(), *example()]
    assert np.random.rand() == first
    for ours, theirs in zip(made, drawn, strict=True):
        np.testing.assert_array_equal(ours, theirs.astype(np.float32))
