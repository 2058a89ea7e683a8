"""What is an array, what is a tree, and what is neither."""

import json
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from jjt_client import InvalidInput
from jjt_client.trees import named_arrays


class OnlyDlpack:
    """An array of a package that speaks DLPack and nothing else."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


class OnAnotherDevice:
    """An array that refuses to become NumPy's, as one on a GPU does."""

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("copy it to the host first")

    def __dlpack__(self, **_: Any) -> Any:
        raise BufferError("not exported")

    def __dlpack_device__(self) -> Any:
        return 2, 0


def test_numbers_lists_and_arrays_are_one_array_each() -> None:
    for value in (1, 2.5, True, np.float32(3), [1, 2], [[1.0], [2.0]], np.arange(3), jnp.arange(3)):
        arrays = named_arrays("x1", value)
        assert list(arrays) == ["x1"]
        assert np.array_equal(arrays["x1"], np.asarray(value))


def test_an_array_that_speaks_dlpack_alone_is_taken() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(named_arrays("x1", OnlyDlpack(array))["x1"], array)


def test_branches_are_named_by_their_keys_and_places() -> None:
    one = np.ones(1)
    tree = {"a": one, "b": (one, [one, {"c": one}]), 3: one}
    assert list(named_arrays("x2", tree)) == ["x2.a", "x2.b.0", "x2.b.1.0", "x2.b.1.1.c", "x2.3"]


@pytest.mark.parametrize("key", ["a.b", "a,b", "a[0", "a]", "*"])
def test_a_key_with_a_sign_of_the_grammar_is_quoted(key: str) -> None:
    assert list(named_arrays("x1", {key: 1.0})) == [f"x1.[{key}]"]


def test_a_tuple_of_numbers_is_a_tree_and_a_list_of_numbers_an_array() -> None:
    assert list(named_arrays("x1", (1.0, 2.0))) == ["x1.0", "x1.1"]
    assert list(named_arrays("x1", [1.0, 2.0])) == ["x1"]


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (None, "NoneType"),
        ("text", "str"),
        (object(), "object"),
        ({1.0, 2.0}, "set"),
        ([[1.0], [2.0, 3.0]], "inhomogeneous"),
        (OnAnotherDevice(), "copy it to the host first"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), "mask"),
        ({}, "no array"),
        ((), "no array"),
        ({"": 1.0}, "empty key"),
        ({1: 1.0, "1": 2.0}, "alike"),
    ],
)
def test_what_is_no_tree_of_arrays_is_refused_with_its_name(value: Any, word: str) -> None:
    with pytest.raises(InvalidInput, match=word) as caught:
        named_arrays("x1", value)
    assert "x1" in caught.value.detail
    assert caught.value.status is None


def test_names_survive_json() -> None:
    names = list(named_arrays("x1", {'quote"': 1, "π": 2, "line\n": 3}))
    assert json.loads(json.dumps(names)) == names
