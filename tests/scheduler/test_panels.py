"""Panels: one after the other they are the matrix, and no block is taken out of its turn."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.scheduler.panels import Panels
from app.specs import Block

K = 2


def cuts(n: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Ways to cut a range into pieces, of whatever sizes."""
    inner = st.sets(st.integers(1, n - 1)) if n > 1 else st.just(set())
    return inner.map(lambda bounds: list(pairwise([0, *sorted(bounds), n])))


@st.composite
def tiled(draw: st.DrawFn) -> tuple[np.ndarray, list[Block]]:
    """A matrix of distinct entries, and its blocks in row order."""
    n1, n2 = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    matrix = np.arange(n1 * K * n2 * K, dtype=np.float32).reshape(n1, K, n2, K)
    down, across = draw(cuts(n1)), draw(cuts(n2))
    blocks = [
        Block((top, bottom), (left, right), matrix[top:bottom, :, left:right])
        for top, bottom in down
        for left, right in across
    ]
    return matrix, blocks


@given(tiled())
def test_panels_one_after_the_other_are_the_matrix(case: tuple[np.ndarray, list[Block]]) -> None:
    matrix, blocks = case
    panels = Panels(matrix.shape)
    found = []
    for block in blocks:
        assert not panels.whole
        panel = panels.add(block)
        assert (panel is not None) == (block.columns[1] == len(matrix[0, 0])), "as soon as the row is full"
        if panel is not None:
            assert panel.flags.c_contiguous
            found.append(panel)
    assert panels.whole
    np.testing.assert_array_equal(np.concatenate(found), matrix)


@given(tiled(), st.data())
def test_a_block_out_of_its_turn_is_refused(case, data: st.DataObject) -> None:
    matrix, blocks = case
    place = data.draw(st.integers(0, len(blocks) - 1))
    other = data.draw(st.sampled_from(blocks))
    assume(other is not blocks[place])
    panels = Panels(matrix.shape)
    for block in blocks[:place]:
        panels.add(block)
    with pytest.raises(ValueError, match="after"):
        panels.add(other)


def test_a_block_across_all_columns_is_given_out_as_it_is_and_a_transposed_one_copied() -> None:
    array = np.ones((3, 2, 3, 2), np.float32)
    assert Panels((3, 2, 3, 2)).add(Block((0, 3), (0, 3), array)) is array
    turned = Block((0, 3), (0, 3), array.transpose(2, 3, 0, 1))
    panel = Panels((3, 2, 3, 2)).add(turned)
    assert panel is not None
    assert panel.flags.c_contiguous


def test_a_panel_that_was_given_out_is_not_written_to_again() -> None:
    panels = Panels((2, 1, 2, 1))
    ones, twos = (np.full((1, 1, 1, 1), value) for value in (1.0, 2.0))
    panels.add(Block((0, 1), (0, 1), ones))
    first = panels.add(Block((0, 1), (1, 2), ones))
    assert first is not None
    panels.add(Block((1, 2), (0, 1), twos))
    panels.add(Block((1, 2), (1, 2), twos))
    assert (first == 1).all()
