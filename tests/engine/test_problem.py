"""What is refused before anything is paid for: names, shapes, dtypes, values; and what is cast."""

import ml_dtypes
import numpy as np
import pytest

from app import ArraySpec, Function
from app.engine import Engine
from app.errors import SpecMismatch


def declared(*specs, **named) -> Function:
    """A function of the given specs; it is never run here."""
    x = named or (specs[0] if len(specs) == 1 else specs)

    def total(params, x):
        import jax
        import jax.numpy as jnp

        return sum(jnp.sum(leaf).astype("float32") for leaf in jax.tree.leaves(x))

    return Function(total, x)


FLOAT = declared(ArraySpec("float32", (3,)))
HALF = declared(ArraySpec("float16", (3,)))
BRAIN = declared(ArraySpec("bfloat16", (3,)))
DOUBLE = declared(ArraySpec("float64", (3,)))
COUNT = declared(i=ArraySpec("int32", (3,), low=-5, high=50), f=ArraySpec("float32"))
BYTES = declared(i=ArraySpec("uint8", (3,)), f=ArraySpec("float32"))
MASK = declared(i=ArraySpec("bool", (3,)), f=ArraySpec("float32"))
PAIR = declared(ArraySpec("float32", (3,)), ArraySpec("float32", (3,)))
DEEP = declared(
    **{"a.b": ArraySpec("float32", (5,)), "c": (ArraySpec("float32", (2,)), ArraySpec("float32", (2,)))}
)


def came(engine: Engine, function: Function, array, name: str = "x1", weak: bool = False) -> np.ndarray:
    """The leaf that was made of one array, without the axis of examples."""
    problem = engine.problem(function, {name: np.asarray(array)}, frozenset([name] if weak else []))
    return problem.left.leaves[0][0]


def integer(engine: Engine, function: Function, array, weak: bool = False) -> np.ndarray:
    """The same for the leaf ``i`` of a function that has a float beside it."""
    arrays = {"x1.i": np.asarray(array), "x1.f": np.float32(0)}
    problem = engine.problem(function, arrays, frozenset(["x1.i"] if weak else []))
    return problem.left.leaves[1][0]  # the keys in sorted order: f, i


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", ">f8", "<f4", ">f2", ml_dtypes.bfloat16, "int8"]
)
@pytest.mark.parametrize(
    ("function", "expected"),
    [(FLOAT, "float32"), (HALF, "float16"), (BRAIN, "bfloat16"), (DOUBLE, "float64")],
    ids=["float32", "float16", "bfloat16", "float64"],
)
def test_floats_take_the_width_of_the_spec_whatever_their_own(engine, function, expected, dtype):
    leaf = came(engine, function, np.array([1, 2, 3], dtype))
    assert leaf.dtype.name == expected
    assert leaf.dtype.isnative
    np.testing.assert_array_equal(leaf.astype(float), [1, 2, 3])


def test_fortran_order_and_strides_are_honoured(engine):
    function = declared(ArraySpec("float32", (3, 2)))
    array = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(came(engine, function, np.asfortranarray(array)), array)
    np.testing.assert_array_equal(came(engine, function, array[::-1]), array[::-1])


@pytest.mark.parametrize(
    ("function", "value"),
    [(FLOAT, 1e39), (FLOAT, -1e300), (HALF, 70_000.0), (BRAIN, 3.5e38), (HALF, np.int64(10**6))],
)
@pytest.mark.parametrize("weak", [False, True])
def test_a_finite_number_that_would_become_infinite_is_refused(engine, function, value, weak):
    array = np.array([0, value, 0])
    with pytest.raises(SpecMismatch, match="infinite"):
        came(engine, function, array, weak=weak)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.0, 1e-310])
def test_what_is_not_finite_passes_as_it_is_and_what_is_tiny_may_vanish(engine, value):
    leaf = came(engine, FLOAT, np.array([0, value, 0]))
    np.testing.assert_array_equal(leaf[1], np.float32(value))
    assert np.signbit(leaf[1]) == np.signbit(np.float32(value))


@pytest.mark.parametrize(
    ("weak", "dtype"), [(True, "int64"), (False, "int64"), (False, "uint64"), (False, "int8")]
)
def test_integers_that_fit_are_cast(engine, weak, dtype):
    leaf = integer(engine, COUNT, np.array([0, 7, 49], dtype), weak)
    assert leaf.dtype == np.int32
    np.testing.assert_array_equal(leaf, [0, 7, 49])


@pytest.mark.parametrize("value", [2**32 + 5, -(2**31) - 1, 2**63 - 1])
@pytest.mark.parametrize("weak", [False, True])
def test_an_integer_that_does_not_fit_is_refused_and_never_wrapped(engine, value, weak):
    with pytest.raises(SpecMismatch, match="int32"):
        integer(engine, COUNT, np.array([0, value, 0], np.int64), weak)
    with pytest.raises(SpecMismatch, match="uint8"):
        integer(engine, BYTES, np.array([0, -1, 0], np.int64), weak)


def test_the_largest_unsigned_integer_is_a_float_but_no_int32(engine):
    array = np.array([0, 2**64 - 1, 0], np.uint64)
    assert came(engine, FLOAT, array, weak=True)[1] == np.float32(2**64)
    with pytest.raises(SpecMismatch):
        integer(engine, COUNT, array, weak=True)


@pytest.mark.parametrize("value", [50, -6])
def test_an_integer_out_of_bounds_is_refused_and_the_bounds_are_named(engine, value):
    with pytest.raises(SpecMismatch, match=r"-5.*50"):
        integer(engine, COUNT, np.array([0, value, 0], np.int32))
    np.testing.assert_array_equal(integer(engine, COUNT, np.array([49, -5, 0], np.int32)), [49, -5, 0])


def test_floats_become_integers_only_as_integral_json_numbers(engine):
    array = np.array([1.0, 2.0, 3.0])
    with pytest.raises(SpecMismatch, match="float"):
        integer(engine, COUNT, array)
    np.testing.assert_array_equal(integer(engine, COUNT, array, weak=True), [1, 2, 3])
    for wrong in (1.5, np.nan, np.inf, 1e300):
        with pytest.raises(SpecMismatch):
            integer(engine, COUNT, np.array([1.0, wrong, 3.0]), weak=True)


def test_booleans_are_not_guessed_from_other_numbers(engine):
    np.testing.assert_array_equal(integer(engine, MASK, np.array([True, False, True])), [True, False, True])
    np.testing.assert_array_equal(integer(engine, MASK, np.array([1, 0, 1]), weak=True), [True, False, True])
    for array in (np.array([1, 0, 1]), np.array([1.0, 0.0, 1.0]), np.array([2, 0, 1])):
        with pytest.raises(SpecMismatch, match="bool"):
            integer(engine, MASK, array)


@pytest.mark.parametrize(
    ("first", "second", "shape"),
    [
        ((3,), None, (1, 1)),
        ((3,), (3,), (1, 1)),
        ((4, 3), None, (4, 1, 4, 1)),
        ((4, 3), (3,), (4, 1, 1)),
        ((3,), (2, 3), (1, 2, 1)),
        ((1, 3), (1, 3), (1, 1, 1, 1)),
        ((3, 3), (3,), (3, 1, 1)),
    ],
)
def test_one_more_axis_than_the_spec_is_a_batch_and_shows_in_the_shape(engine, first, second, shape):
    arrays = {"x1": np.zeros(first, np.float32)}
    if second:
        arrays["x2"] = np.zeros(second, np.float32)
    problem = engine.problem(FLOAT, arrays)
    assert problem.shape == shape
    assert problem.symmetric is (second is None)
    assert len(problem.sizes) == 4


@pytest.mark.parametrize("shape", [(), (4,), (2,), (3, 4), (2, 2, 3), (3, 1), (0, 3), (0,), (1, 1, 3)])
@pytest.mark.parametrize("side", ["x1", "x2"])
def test_a_shape_that_fits_neither_one_example_nor_a_batch_is_refused(engine, shape, side):
    arrays = {"x1": np.zeros(3, np.float32), side: np.zeros(shape, np.float32)}
    with pytest.raises(SpecMismatch, match=rf"{side}.*\[3\]"):
        engine.problem(FLOAT, arrays)


@pytest.mark.parametrize(("first", "second"), [((3,), (2, 3)), ((2, 3), (3,)), ((2, 3), (5, 3))])
def test_the_leaves_of_one_side_are_all_single_or_all_of_one_n(engine, first, second):
    arrays = {"x1.0": np.zeros(first, np.float32), "x1.1": np.zeros(second, np.float32)}
    with pytest.raises(SpecMismatch, match="agree"):
        engine.problem(PAIR, arrays)


@pytest.mark.parametrize(
    "name",
    ["x3", "y", "x1.0", "x1.a", "X1", "x1.", "", "x1.__class__", "x2.0", "x", "x1 ", "x1\x00", "x" * 10_000],
)
def test_an_unknown_array_is_refused_and_the_known_ones_are_named(engine, name):
    with pytest.raises(SpecMismatch, match="expected") as caught:
        engine.problem(FLOAT, {"x1": np.zeros(3, np.float32), name: np.zeros(3, np.float32)})
    assert len(caught.value.detail) < 500


@pytest.mark.parametrize("arrays", [{}, {"x2": np.zeros(3, np.float32)}])
def test_a_missing_x1_is_refused(engine, arrays):
    with pytest.raises(SpecMismatch, match="x1"):
        engine.problem(FLOAT, arrays)


def test_a_missing_leaf_is_refused_and_named(engine):
    with pytest.raises(SpecMismatch, match=r"x1\.1"):
        engine.problem(PAIR, {"x1.0": np.zeros(3, np.float32)})
    whole = {"x1.0": np.zeros(3, np.float32), "x1.1": np.zeros(3, np.float32)}
    with pytest.raises(SpecMismatch, match=r"x2\.0"):
        engine.problem(PAIR, whole | {"x2.1": np.zeros(3, np.float32)})


def test_dotted_names_find_the_leaves_of_a_tree(engine):
    arrays = {
        "x1.[a.b]": np.arange(5.0),
        "x1.c.0": np.array([1.0, 2.0]),
        "x1.c.1": np.array([3.0, 4.0]),
    }
    first, second, third = engine.problem(DEEP, arrays).left.leaves
    np.testing.assert_array_equal(first[0], np.arange(5))
    np.testing.assert_array_equal(second[0], [1, 2])
    np.testing.assert_array_equal(third[0], [3, 4])


def test_a_rectangular_list_of_json_numbers_fills_a_tuple(engine):
    both = np.arange(6).reshape(2, 3)
    first, second = engine.problem(PAIR, {"x1": both}, frozenset(["x1"])).left.leaves
    np.testing.assert_array_equal(first[0], both[0])
    np.testing.assert_array_equal(second[0], both[1])
    batch = np.arange(24).reshape(2, 4, 3)
    problem = engine.problem(PAIR, {"x1": batch}, frozenset(["x1"]))
    assert problem.shape == (4, 1, 4, 1)
    np.testing.assert_array_equal(problem.left.leaves[1], batch[1])


@pytest.mark.parametrize("shape", [(3, 3), (1, 3), (3,), ()])
def test_a_list_with_another_number_of_parts_than_the_tuple_is_refused(engine, shape):
    with pytest.raises(SpecMismatch):
        engine.problem(PAIR, {"x1": np.zeros(shape)}, frozenset(["x1"]))


def test_an_array_beside_the_arrays_below_it_is_refused(engine):
    part = np.zeros(3)
    with pytest.raises(SpecMismatch, match="one or the other"):
        engine.problem(PAIR, {"x1": np.zeros((2, 3)), "x1.0": part, "x1.1": part}, frozenset(["x1"]))
    with pytest.raises(SpecMismatch):
        engine.problem(PAIR, {"x1": np.zeros((2, 3)), "x1.0": part}, frozenset(["x1"]))


def test_the_arrays_that_came_are_not_written_to(engine):
    array = np.array([1.0, np.nan, 3.0], ">f8")
    before = array.copy()
    engine.problem(FLOAT, {"x1": array})
    np.testing.assert_array_equal(array, before)
