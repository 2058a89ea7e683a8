"""The oracle itself: it knows closed forms, and it fails where one small term is missing."""

from dataclasses import replace

import numpy as np
import pytest

from tests.oracle import N1, N2, close, inputs, parameters, reference
from tests.zoo import ZOO

ENTRIES = {entry.name: entry for entry in ZOO}


def test_the_zoo_holds_functions_of_distinct_names():
    assert len(ENTRIES) == len(ZOO) >= 28


def test_the_oracle_knows_the_closed_form_of_an_affine_map():
    affine = ENTRIES["affine"]
    w = parameters(affine)["w"].astype(np.float64)
    x1, x2 = (x.astype(np.float64) for x in inputs(affine))
    np.testing.assert_allclose(
        reference(affine, "x").matrix, np.broadcast_to((w @ w.T)[:, None], (N1, 7, N2, 7))
    )
    expected = np.einsum("ij,ab->iajb", x1 @ x2.T + 1, np.eye(7))
    np.testing.assert_allclose(reference(affine, "params").matrix, expected, atol=1e-15)


def test_the_oracle_adds_up_over_parts_of_the_parameters():
    mlp = ENTRIES["mlp_dict"]
    whole, body, head = (reference(mlp, wrt).matrix for wrt in ("params", "params.body", "params.head"))
    np.testing.assert_allclose(whole, body + head, atol=1e-13)


def test_the_dense_answer_in_the_functions_own_dtype_passes():
    known = reference(ENTRIES["mlp_dict"], "params")
    own = np.tensordot(*known.own, (2, 2))
    assert own.dtype == np.float32
    close(own, known)


def test_the_check_fails_when_one_small_term_is_missing():
    known = reference(ENTRIES["mlp_dict"], "params")
    first, second = known.exact
    terms = np.abs(np.einsum("iap,jbp->iajbp", first, second)) / known.scale[..., None]
    allowed = known.slack * known.eps
    *place, parameter = np.unravel_index(np.argmin(np.where(terms > 2 * allowed, terms, np.inf)), terms.shape)
    assert terms[(*place, parameter)] < 1e-4, "the term that is left out is small"
    kept = known.matrix.copy()
    kept[tuple(place)] -= first[place[0], place[1], parameter] * second[place[2], place[3], parameter]
    with pytest.raises(AssertionError, match="is off by"):
        close(kept, known)


def test_the_check_fails_when_two_axes_are_swapped():
    known = reference(ENTRIES["attention"], "params").symmetric
    with pytest.raises(AssertionError, match="is off by"):
        close(known.matrix.transpose(0, 3, 2, 1), known)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e-30])
def test_the_check_fails_for_anything_but_zero_where_no_parameter_reaches(wrong):
    dead = reference(ENTRIES["dead_parameter"], "params.dead")
    matrix = np.zeros(dead.matrix.shape)
    close(matrix, dead)
    matrix[1, 2, 0, 3] = wrong
    with pytest.raises(AssertionError, match="is off by"):
        close(matrix, dead)


def test_the_bound_grows_only_by_what_the_functions_own_dtype_misses():
    known = reference(ENTRIES["affine"], "params")
    assert known.slack == 64
    rough = replace(known, own=(known.exact[0] * (1 + 100 * known.eps), known.exact[1]))
    assert 64 < rough.slack <= 4 * 110


@pytest.mark.parametrize("entry", ZOO, ids=lambda entry: entry.name)
def test_no_entry_of_the_zoo_needs_a_loose_bound(entry):
    """Else the zoo would prove little: rows of J that nearly vanish would hide a wrong term elsewhere."""
    assert max(reference(entry, wrt).slack for wrt in entry.wrts) <= 8 * 64
