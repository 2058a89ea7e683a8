"""What ``numpy.save`` writes is read bit for bit; what it would not write is refused."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from jjt_client.npy import read_npy


def saved(array: np.ndarray) -> bytes:
    """The file, as NumPy writes it."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


GOOD = saved(np.arange(6, dtype=np.float32).reshape(2, 3))


FLOATS = nps.arrays(nps.floating_dtypes(sizes=(16, 32, 64)), nps.array_shapes(min_dims=0, min_side=0))


@given(FLOATS, st.booleans())
def test_floats_of_any_shape_order_and_byte_order_come_back_bit_for_bit(array, fortran) -> None:
    given_array = np.asarray(array, order="F" if fortran else "C")
    found = read_npy(saved(given_array))
    assert found.dtype == array.dtype.newbyteorder("=")
    assert found.shape == array.shape
    assert found.astype(array.dtype).tobytes() == array.tobytes()


def test_the_array_can_be_written_to() -> None:
    found = read_npy(GOOD)
    found[0, 0] += 1
    assert found[0, 0] == 1


@pytest.mark.parametrize("end", range(len(GOOD)))
def test_a_file_that_is_cut_short_is_refused(end: int) -> None:
    with pytest.raises(ValueError):  # noqa: PT011, NumPy's own words
        read_npy(GOOD[:end])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY\x09\x09" + GOOD[8:],
        b"\x93NUMPY\x02\x00" + GOOD[8:],
        GOOD + b"\x00",
        GOOD.replace(b"<f4", b"|O8"),
        GOOD.replace(b"<f4", b"<V4"),
        GOOD.replace(b"<f4", b"<i4"),
        GOOD.replace(b"(2, 3)", b"(9**9)"),
        GOOD.replace(b"(2, 3)", b"[[[[[["),
        GOOD.replace(b"(2, 3), }", b"(-2,-3),}"),
        GOOD.replace(b"fortran_order", b"fortran_other"),
        saved(np.array(["text"])),
    ],
)
def test_what_the_service_would_not_write_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011, NumPy's own words
        read_npy(data)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_changed_byte_gives_an_array_or_a_value_error(place: int, byte: int) -> None:
    data = bytearray(GOOD)
    data[place] = byte
    with contextlib.suppress(ValueError):
        assert isinstance(read_npy(bytes(data)), np.ndarray)
