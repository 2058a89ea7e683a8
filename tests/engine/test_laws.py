"""Laws that hold for any function, any inputs and any way of computing."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import ArraySpec, Function
from app.engine import Engine
from tests.engine.ask import ask, part
from tests.engine.sample import ALGORITHMS
from tests.oracle import N1, N2, SLACK, close, inputs, parameters, reference
from tests.zoo import ZOO, Entry, examples

ENTRIES = {entry.name: entry for entry in ZOO}
EPS = float(np.finfo(np.float32).eps)

# What is drawn are numbers more than shapes, so that few programs are compiled; the zoo has the shapes.
entries = st.sampled_from([ENTRIES[name] for name in ("mlp_dict", "sine_sums")])
algorithms = st.sampled_from(ALGORITHMS)
seeds = st.integers(0, 2**32 - 1)


def bound(matrix1: np.ndarray, matrix2: np.ndarray) -> np.ndarray:
    """The bound from two symmetric matrices: their diagonals are the squared norms of the rows."""
    first, second = (np.sqrt(np.einsum("iaia->ia", matrix)) for matrix in (matrix1, matrix2))
    return SLACK * EPS * np.multiply.outer(first, second)


@given(entries, algorithms, seeds)
def test_swapping_the_sides_transposes_the_matrix(engine: Engine, entry: Entry, algorithm, seed):
    x1, x2 = examples(entry, N1, seed), examples(entry, N2, seed + 1)
    forth = ask(engine, entry.function, x1, x2, algorithm=algorithm)
    back = ask(engine, entry.function, x2, x1, algorithm=algorithm)
    allowed = bound(*norms(engine, entry, x1, x2))
    assert (np.abs(forth - back.transpose(2, 3, 0, 1)) <= 2 * allowed).all()


@given(entries, algorithms, seeds)
def test_a_matrix_of_one_side_is_positive_semidefinite_to_rounding(engine: Engine, entry, algorithm, seed):
    matrix = ask(engine, entry.function, examples(entry, N1, seed), algorithm=algorithm)
    square = matrix.reshape(matrix.shape[0] * matrix.shape[1], -1).astype(np.float64)
    values = np.linalg.eigvalsh(square)
    assert values.min() >= -SLACK * EPS * np.trace(square)


@given(entries, seeds, st.booleans())
def test_every_algorithm_gives_the_same_matrix(engine: Engine, entry, seed, alone):
    x1 = examples(entry, N1, seed)
    x2 = None if alone else examples(entry, N2, seed + 1)
    first, *others = (ask(engine, entry.function, x1, x2, algorithm=algorithm) for algorithm in ALGORITHMS)
    allowed = bound(*norms(engine, entry, x1, x1 if x2 is None else x2))
    for other in others:
        assert (np.abs(first - other) <= 2 * allowed).all()


def norms(engine: Engine, entry: Entry, x1: Any, x2: Any, wrt: str | None = None) -> Iterator[np.ndarray]:
    """The symmetric matrix of each side, for ``bound``."""
    return (ask(engine, entry.function, x, wrt=wrt, algorithm="contraction") for x in (x1, x2))


def _tight(budget: str, entry: Entry, n2: int | None, algorithm: str) -> Engine:
    """An engine whose budget cuts blocks, or the chunks inside them, about as small as can be."""
    if budget == "seconds":
        return Engine(memory_bytes=1 << 30, block_seconds=1e-9)
    sizes = (int(1_000 * 1.2**power) for power in range(50))
    engines = (Engine(memory_bytes=size) for size in sizes)
    return next(
        each for each in engines if each.explain(entry.function, N1, n2, algorithm=algorithm).algorithm
    )


@pytest.mark.parametrize("budget", ["seconds", "bytes"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", ["mlp_dict", "sine_sums"])
@pytest.mark.parametrize("sides", [1, 2])
def test_any_tiling_gives_the_same_matrix(engine: Engine, name, algorithm, budget, sides):
    entry = ENTRIES[name]
    x1, x2 = inputs(entry)
    known = reference(entry, entry.function.wrt)
    if sides == 1:
        x2, known = None, known.symmetric
    n2 = N2 if sides == 2 else None
    tight = _tight(budget, entry, n2, algorithm)
    small, large = (each.explain(entry.function, N1, n2, algorithm=algorithm) for each in (tight, engine))
    assert small.blocks == 6 if budget == "seconds" else small.tiles != large.tiles
    matrix = ask(tight, entry.function, x1, x2, algorithm=algorithm)
    close(matrix, known)
    if x2 is None:
        assert (matrix == matrix.transpose(2, 3, 0, 1)).all()


@pytest.mark.parametrize(
    ("whole", "parts", "algorithm"),
    [("params", ("params.body", "params.head"), algorithm) for algorithm in ALGORITHMS]
    + [("params.head.bias,x", ("params.head.bias", "x"), "vector_products")],
)
@given(seeds)
def test_parameters_in_two_parts_add_up(engine: Engine, whole, parts, algorithm, seed):
    entry = ENTRIES["mlp_dict"]
    x1, x2 = examples(entry, N1, seed), examples(entry, N2, seed + 1)
    total = ask(engine, entry.function, x1, x2, wrt=whole, algorithm=algorithm)
    added = sum(ask(engine, entry.function, x1, x2, wrt=wrt, algorithm=algorithm) for wrt in parts)
    assert (np.abs(total - added) <= 2 * bound(*norms(engine, entry, x1, x2, whole))).all()


@given(algorithms, seeds)
def test_an_affine_map_has_a_closed_form(engine: Engine, algorithm, seed):
    entry = ENTRIES["affine"]
    w = parameters(entry)["w"].astype(np.float64)
    x1, x2 = examples(entry, N1, seed), examples(entry, N2, seed + 1)
    inputs_ = ask(engine, entry.function, x1, x2, wrt="x", algorithm=algorithm)
    rows = np.linalg.norm(w, axis=1)
    expected = np.broadcast_to((w @ w.T)[None, :, None], inputs_.shape)
    assert (np.abs(inputs_ - expected) <= SLACK * EPS * np.outer(rows, rows)[None, :, None]).all()
    params = ask(engine, entry.function, x1, x2, wrt="params", algorithm=algorithm)
    inner = x1.astype(np.float64) @ x2.T.astype(np.float64) + 1
    lengths = [np.sqrt((x.astype(np.float64) ** 2).sum(axis=1) + 1) for x in (x1, x2)]
    missed = np.abs(params - np.einsum("ij,ab->iajb", inner, np.eye(7)))
    assert (missed <= SLACK * EPS * np.outer(*lengths)[:, None, :, None]).all()


def _scaled(params, x):
    import jax.numpy as jnp

    return x["c"] * jnp.sin(params @ x["x"])


SCALED = Function(
    _scaled,
    {"c": ArraySpec("float32"), "x": ArraySpec("float32", (7,))},
    np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32),
    "params",
)


@given(st.sampled_from(["params", "x.x"]), algorithms, seeds, st.integers(-8, 8))
def test_a_function_scaled_by_c_has_its_matrix_scaled_by_c_squared(
    engine: Engine, wrt, algorithm, seed, power
):
    rng, c = np.random.default_rng(seed), np.float32(-(2.0**power))
    x1, x2 = (rng.normal(size=(n, 7)).astype(np.float32) for n in (N1, N2))

    def side(x, c):
        return {"c": np.full(len(x), c, np.float32), "x": x}

    plain = ask(engine, SCALED, side(x1, 1), side(x2, 1), wrt=wrt, algorithm=algorithm)
    scaled = ask(engine, SCALED, side(x1, c), side(x2, c), wrt=wrt, algorithm=algorithm)
    # c is a power of two, and products with it are exact.
    np.testing.assert_array_equal(scaled, c * c * plain)


@given(algorithms, seeds)
def test_the_examples_of_a_batch_keep_to_themselves(engine: Engine, algorithm, seed):
    entry = ENTRIES["mlp_dict"]
    x1, x2 = examples(entry, N1, seed), examples(entry, N2, seed + 1)
    spoiled = x1.copy()
    spoiled[2] = np.nan
    clean = ask(engine, entry.function, x1, x2, algorithm=algorithm)
    dirty = ask(engine, entry.function, spoiled, x2, algorithm=algorithm)
    np.testing.assert_array_equal(dirty[:2], clean[:2])
    assert np.isnan(dirty[2]).any()


def test_the_same_plan_gives_the_same_bits(engine: Engine):
    entry = ENTRIES["mlp_dict"]
    x1, x2 = inputs(entry)
    first, second = (ask(engine, entry.function, x1, x2) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert part(first, 0).shape == (5, 2, 5)
