"""A matrix is an array that keeps what the service said, as long as it is that matrix."""

import copy
import pickle

import numpy as np
import pytest

from jjt_client import Matrix, Receipt
from jjt_client.matrix import Facts, facts_of

FACTS = Facts("f", "1a", "contraction", "x", 0, {"compute": 0.5}, "id", Receipt(1.5, 8, "float64"))


@pytest.fixture
def matrix() -> Matrix:
    """A small symmetric positive definite one."""
    return Matrix(np.array([[2.0, 1.0], [1.0, 3.0]]), FACTS)


def told(array: np.ndarray) -> Facts:
    return Facts(**vars(array))


@pytest.mark.parametrize(
    "view",
    [
        lambda K: K[0],
        lambda K: K[..., 1:],
        lambda K: K[[1, 0]],
        lambda K: K[K > 1],
        lambda K: K.T,
        lambda K: K.reshape(4),
        lambda K: K.astype("float32"),
        lambda K: np.swapaxes(K, 0, 1),
        lambda K: K.copy(),
        copy.copy,
        copy.deepcopy,
        lambda K: pickle.loads(pickle.dumps(K)),
    ],
)
def test_views_and_copies_keep_the_facts_and_the_numbers(matrix: Matrix, view) -> None:
    found = view(matrix)
    assert isinstance(found, Matrix)
    assert told(found) == FACTS
    assert np.array_equal(np.asarray(found), view(np.asarray(matrix)))


@pytest.mark.parametrize(
    "compute",
    [
        lambda K: K + 1,
        lambda K: K @ K,
        np.exp,
        lambda K: K.sum(axis=0),
        np.linalg.eigvalsh,
        lambda K: np.linalg.solve(K, np.ones(2)),
        lambda K: np.concatenate([K, K]),
        lambda K: np.einsum("ii->i", K),
    ],
)
def test_what_is_computed_is_a_plain_array(matrix: Matrix, compute) -> None:
    found = compute(matrix)
    assert type(found) is np.ndarray
    assert np.array_equal(found, compute(np.asarray(matrix)))


@pytest.mark.parametrize("reduce", [np.sum, np.mean, np.trace, np.linalg.norm, lambda K: K[0, 0]])
def test_one_number_is_a_scalar(matrix: Matrix, reduce) -> None:
    assert type(reduce(matrix)) is np.float64


def test_a_matrix_changed_in_place_stays_the_matrix(matrix: Matrix) -> None:
    same = matrix
    matrix += 1
    matrix[np.diag_indices(2)] += 0.5
    assert matrix is same
    assert told(matrix) == FACTS
    assert matrix.tolist() == [[3.5, 2.0], [2.0, 4.5]]


def test_a_matrix_that_no_service_answered_has_empty_facts() -> None:
    assert told(np.zeros(3).view(Matrix)) == Facts()


def test_facts_are_read_from_headers_and_times_become_seconds() -> None:
    headers = {
        "jjt-function": "sqrt_mean@3f2a91c0",
        "jjt-algorithm": "forward",
        "jjt-non-finite": "12",
        "server-timing": "decode;dur=0.250, queue;dur=1.000, compute;dur=2000",
        "x-request-id": "abc",
    }
    expected = Facts(
        "sqrt_mean",
        "3f2a91c0",
        "forward",
        "x",
        12,
        {"decode": 0.00025, "queue": 0.001, "compute": 2.0},
        "abc",
    )
    assert facts_of(headers, "x") == expected


@pytest.mark.parametrize(
    ("header", "receipt"),
    [
        ("1.25;entries=8;dtype=float64;evaluation=0.5", Receipt(1.25, 8, "float64", 0.5)),
        ("1.25; entries=8; dtype=bfloat16", Receipt(1.25, 8, "bfloat16")),
        ("inf;entries=8;dtype=float64;more=1", Receipt(float("inf"), 8, "float64")),
    ],
)
def test_a_receipt_is_read_from_its_header(header: str, receipt: Receipt) -> None:
    assert facts_of({"jjt-verified": header}).verified == receipt


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"jjt-verified": ""},
        {"jjt-verified": "small;entries=8;dtype=float64"},
        {"jjt-verified": "1.5;dtype=float64"},
        {"jjt-verified": "1.5;entries=many;dtype=float64"},
        {"jjt-non-finite": "many"},
        {"server-timing": "compute"},
        {"server-timing": "compute;dur=fast"},
    ],
)
def test_headers_that_are_missing_or_odd_leave_a_fact_out(headers: dict[str, str]) -> None:
    assert facts_of(headers) == Facts()
