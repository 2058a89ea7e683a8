"""safetensors: bytes as the format's own library writes and reads them."""

import numpy as np
import pytest

from app import wire
from app.wire.safetensors import read_safetensors, safetensors_frame
from tests.wire import bodies


def test_the_header_may_be_padded_list_arrays_in_any_order_and_carry_metadata():
    header = (
        b'{"x2":{"dtype":"I8","shape":[3],"data_offsets":[16,19]},"__metadata__":{"made":"by hand"},'
        b'"x1":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}      '
    )
    body = bodies.safetensors_raw(header, np.arange(2.0).tobytes() + b"\1\2\3")
    arrays = read_safetensors(body, bodies.LIMIT_BYTES)
    assert arrays["x1"].tolist() == [0.0, 1.0]
    assert arrays["x2"].tolist() == [1, 2, 3]


def test_arrays_without_entries_may_lie_anywhere_between_the_others():
    arrays = {"x1": np.empty((0, 3)), "x2": np.ones(2), "x1.a": np.empty(0, np.int8)}
    got = read_safetensors(bodies.safetensors(**arrays), bodies.LIMIT_BYTES)
    assert {name: array.shape for name, array in got.items()} == {"x1": (0, 3), "x2": (2,), "x1.a": (0,)}


def test_a_matrix_in_fortran_order_is_written_in_its_own_order():
    matrix = np.asfortranarray(np.arange(12.0).reshape(3, 2, 2, 1))
    body = wire.CODECS[bodies.SAFETENSORS].encode(bodies.answer(matrix)).replace(b"matrix", b"x1.abc")
    assert np.array_equal(read_safetensors(body, bodies.LIMIT_BYTES)["x1.abc"], matrix)


def test_data_are_aligned_to_eight_bytes():
    for power in range(12):
        head = safetensors_frame("float32", (10**power, 1)).head
        assert len(head) % 8 == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_library_of_the_format_reads_and_writes_the_same_bytes(dtype):
    library = pytest.importorskip("safetensors.numpy")
    matrix = np.arange(24, dtype=dtype).reshape(2, 3, 4, 1)
    body = wire.CODECS[bodies.SAFETENSORS].encode(bodies.answer(matrix))
    assert body == library.save({"matrix": matrix})
    assert np.array_equal(library.load(body)["matrix"], matrix)
    sent = library.save({"x1": matrix, "x2": matrix.astype("int8"), "x1.a": np.ones(3, bool)}, {"note": "é"})
    got = wire.decode(bodies.SAFETENSORS, sent, bodies.LIMIT_BYTES).arrays
    assert {name: array.dtype.name for name, array in got.items()} == {
        "x1": dtype,
        "x2": "int8",
        "x1.a": "bool",
    }
    assert np.array_equal(got["x1"], matrix)
