"""Every function of the zoo by every algorithm, held against the dense float64 answer."""

import numpy as np
import pytest

from app.engine import Engine
from app.errors import NotApplicable
from tests.engine.ask import ask, honest, named, part
from tests.engine.sample import Case, parametrized
from tests.oracle import N1, N2, close, inputs, reference
from tests.zoo import ZOO

UNFIT = [
    pytest.param(entry, algorithm, id=f"{entry.name} {algorithm}")
    for entry in ZOO
    for algorithm in entry.cannot
]


@pytest.mark.parametrize("case", parametrized())
def test_a_matrix_is_the_dense_one_and_needs_no_more_bytes_than_predicted(engine: Engine, case: Case):
    x1, x2 = inputs(case.entry)
    known = reference(case.entry, case.wrt)
    k = known.matrix.shape[1]
    match case.batching:
        case "single":
            x1, x2, known, shape = part(x1, 0), part(x2, 1), known.side(0, 1), (k, k)
        case "batch":
            shape = (N1, k, N2, k)
        case "batch and single":
            x2, known, shape = part(x2, 1), known.side(slice(None), 1), (N1, k, k)
        case _:
            x2, known, shape = None, known.symmetric, (N1, k, N1, k)
    matrix = ask(engine, case.entry.function, x1, x2, wrt=case.wrt, algorithm=case.algorithm)
    assert matrix.shape == shape
    close(matrix, known)
    if x2 is None:
        flat = matrix.reshape(N1 * k, N1 * k)
        assert (flat == flat.T).all(), "symmetric bit for bit"
    n1, n2 = 1 if case.batching == "single" else N1, {"batch": N2, "x2 left out": None}.get(case.batching, 1)
    honest(engine, engine.explain(case.entry.function, n1, n2, wrt=case.wrt, algorithm=case.algorithm))


@pytest.mark.parametrize(("entry", "algorithm"), UNFIT)
def test_an_algorithm_that_cannot_says_so_and_auto_moves_on(engine: Engine, entry, algorithm):
    x1, x2 = inputs(entry)
    for wrt in entry.wrts:
        problem = engine.problem(entry.function, named("x1", x1) | named("x2", x2), wrt=wrt)
        with pytest.raises(NotApplicable, match=algorithm):
            engine.plan(problem, algorithm)
        refused = {each.algorithm: each.refused for each in engine.plan(problem).candidates}
        assert set(entry.cannot) == {name for name, why in refused.items() if why}
        close(ask(engine, entry.function, x1, x2, wrt=wrt), reference(entry, wrt))


def test_one_example_alone_is_one_square_and_symmetric(engine: Engine):
    entry = next(entry for entry in ZOO if entry.name == "mlp_dict")
    matrix = ask(engine, entry.function, part(inputs(entry)[0], 0))
    assert matrix.shape == (5, 5)
    assert (matrix == matrix.T).all()
    close(matrix, reference(entry, entry.function.wrt).symmetric.side(0, 0))


def test_a_batch_of_one_keeps_its_axis(engine: Engine):
    entry = next(entry for entry in ZOO if entry.name == "mlp_dict")
    x1, x2 = inputs(entry)
    assert ask(engine, entry.function, part(x1, 0), part(x2, slice(1))).shape == (5, 1, 5)


@pytest.mark.parametrize(
    ("name", "wrt", "dtype"),
    [
        ("affine", "x", "float32"),
        ("double", "params", "float64"),
        ("double_params", "x", "float32"),
        ("double_params", "params", "float64"),
        ("brain_half", "x", "float32"),
        ("half", "params", "float32"),
        ("mixed_widths", "params.small", "float32"),
    ],
)
def test_the_matrix_has_the_dtype_of_the_variable_and_at_least_float32(engine: Engine, name, wrt, dtype):
    entry = next(entry for entry in ZOO if entry.name == name)
    problem = engine.problem(entry.function, named("x1", inputs(entry)[0]), wrt=wrt)
    assert problem.dtype == dtype


def test_float64_is_not_left_on_by_a_function_that_lives_in_it(engine: Engine):
    import jax

    entry = next(entry for entry in ZOO if entry.name == "double")
    ask(engine, entry.function, inputs(entry)[0])
    assert jax.numpy.ones(2).dtype == np.float32
    assert jax.dtypes.canonicalize_dtype(np.float64) == np.float32
