"""npy and npz: NumPy reads what is written here, and what it writes is read."""

import io

import numpy as np
import pytest

from app import wire
from app.errors import BodyTooLarge
from app.wire.npy import read_npy
from tests.wire import bodies


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", "CF")
def test_numpy_reads_the_answer(dtype, order):
    matrix = np.asarray(np.arange(24, dtype=dtype).reshape(2, 3, 4, 1), order=order)
    answer = bodies.answer(matrix)
    assert np.array_equal(np.load(io.BytesIO(wire.CODECS[bodies.NPY].encode(answer))), matrix)
    with np.load(io.BytesIO(wire.CODECS[bodies.NPZ].encode(answer))) as archive:
        assert archive.files == ["matrix"]
        assert np.array_equal(archive["matrix"], matrix)
    assert wire.CODECS[bodies.NPY].encode(answer) == bodies.npy(np.ascontiguousarray(matrix))


def test_one_matrix_is_always_the_same_archive():
    matrix = np.ones((2, 1, 2, 1))
    encode = wire.CODECS[bodies.NPZ].encode
    assert encode(bodies.answer(matrix)) == encode(bodies.answer(matrix))


@pytest.mark.parametrize(("version", "width"), [(b"\1\0", 2), (b"\2\0", 4), (b"\3\0", 4)])
def test_all_versions_of_the_header_are_read(version, width):
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n"
    body = bodies.npy_raw(header, np.arange(2.0).tobytes(), version, width)
    assert read_npy(body, "x1").tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    "header",
    [
        '{"shape": (2,), "fortran_order": False, "descr": "<f8"}',
        "{'descr':'<f8','fortran_order':False,'shape':(2,)}",
        "  {'descr': '<f8', 'fortran_order': True, 'shape': (2,)}   \n\n",
    ],
)
def test_headers_of_other_writers_are_read(header):
    assert read_npy(bodies.npy_raw(header, np.arange(2.0).tobytes()), "x1").tolist() == [0.0, 1.0]


def test_the_limit_counts_what_all_members_of_an_archive_inflate_to():
    body = bodies.npz_deflated(x1=np.zeros(1000), x2=np.zeros(1000))
    limit_bytes = 2 * (8000 + 128)
    assert wire.decode(bodies.NPZ, body, limit_bytes).arrays["x2"].size == 1000
    with pytest.raises(BodyTooLarge) as caught:
        wire.decode(bodies.NPZ, body, limit_bytes - 1)
    assert caught.value.fields["allowed_bytes"] == limit_bytes - 1


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_of_numpy_are_read(save):
    file = io.BytesIO()
    x2 = np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3))
    save(file, x1=np.float32(3), x2=x2)
    arrays = wire.decode(bodies.NPZ, file.getvalue(), bodies.LIMIT_BYTES).arrays
    assert arrays["x1"].shape == ()
    assert arrays["x2"].dtype == np.int32
    assert arrays["x2"].tolist() == [[0, 1, 2], [3, 4, 5]]
