"""Answers in pieces: the bytes of whole ones, however the data are cut, and of the length that was said."""

import io
import shutil
import subprocess
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app import wire
from app.wire.arrays import raw
from tests.wire import bodies
from tests.wire.test_round_trips import sample

FRAMED = {name: codec.framed for name, codec in wire.CODECS.items() if codec.framed is not None}
MATRICES = st.builds(
    sample, st.sampled_from(["float16", "float32", "float64"]), st.tuples(*[st.integers(1, 5)] * 4)
)
LARGE = (1 << 32) // 4  # entries of float32 whose bytes need more than 32 bits to be counted
CUTS = st.lists(st.integers(0, 5000), max_size=6)


def in_pieces(frame: wire.Frame, data: memoryview, cuts: list[int]) -> bytes:
    """Send data in a frame as a stream does."""
    sent: list[bytes | memoryview] = [frame.head]
    check = frame.check
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for first, last in pairwise(bounds):
        check = frame.counted(check, data[first:last])
        sent.append(data[first:last])
    return b"".join([*sent, frame.tail(check)])


def test_every_binary_format_can_be_streamed_and_no_text():
    assert list(FRAMED) == [bodies.NPY, bodies.NPZ, bodies.SAFETENSORS]


@given(MATRICES, CUTS)
def test_an_answer_in_pieces_is_the_whole_answer_to_the_byte(matrix, cuts):
    for name, framed in FRAMED.items():
        frame = framed(matrix.dtype.name, matrix.shape)
        sent = in_pieces(frame, raw(matrix), cuts)
        assert sent == wire.CODECS[name].encode(bodies.answer(matrix))
        assert len(sent) == frame.total_bytes


@given(MATRICES, CUTS)
def test_numpy_reads_what_was_sent_in_pieces(matrix, cuts):
    npy = FRAMED[bodies.NPY](matrix.dtype.name, matrix.shape)
    npz = FRAMED[bodies.NPZ](matrix.dtype.name, matrix.shape)
    with np.load(io.BytesIO(in_pieces(npz, raw(matrix), cuts))) as archive:
        assert archive.files == ["matrix"]
        found = [archive["matrix"], np.load(io.BytesIO(in_pieces(npy, raw(matrix), cuts)))]
    for each in found:
        assert (each.dtype, each.tobytes(), each.shape) == (matrix.dtype, matrix.tobytes(), matrix.shape)


@given(
    st.sampled_from(["float16", "float32", "float64"]),
    st.lists(st.integers(1, 1 << 14), min_size=1, max_size=4),
)
@example("float32", [LARGE - 1])  # the data can be counted, the archive around them cannot
@example("float32", [LARGE - 60])
@example("float32", [LARGE])
def test_the_length_is_known_before_the_data(dtype, shape):
    nbytes = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
    for framed in FRAMED.values():
        frame = framed(dtype, tuple(shape))
        assert frame.total_bytes == len(frame.head) + nbytes + len(frame.tail(0)) == frame.total_bytes
        assert len(frame.tail(0)) == len(frame.tail(0xFFFFFFFF))


def test_an_archive_whose_bytes_were_changed_is_found_out():
    matrix = np.ones((2, 1, 2, 1), np.float32)
    body = bytearray(wire.CODECS[bodies.NPZ].encode(bodies.answer(matrix)))
    body[body.index(matrix.tobytes())] ^= 1
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() == "matrix.npy"


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed")
def test_unzip_finds_nothing_wrong_with_an_archive(tmp_path: Path):
    path = tmp_path / "k.npz"
    path.write_bytes(wire.CODECS[bodies.NPZ].encode(bodies.answer(np.ones((2, 1, 2, 1)))))
    done = subprocess.run(["unzip", "-t", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def sparse(path: Path, entries: int, check: int) -> wire.Frame:
    """Write the archive of so many float32 zeros as a file with a hole for the data."""
    frame = FRAMED[bodies.NPZ]("float32", (entries,))
    tail = frame.tail(check)
    with path.open("wb") as file:
        file.write(frame.head)
        file.seek(frame.total_bytes - len(tail))
        file.write(tail)
    return frame


@pytest.mark.parametrize("entries", [LARGE - 60, LARGE - 10, LARGE, LARGE + 1])
def test_the_directory_of_an_archive_past_4_gib_is_read(tmp_path: Path, entries: int):
    frame = sparse(tmp_path / "k.npz", entries, 7)
    with zipfile.ZipFile(tmp_path / "k.npz") as archive:
        (member,) = archive.infolist()
        assert (member.CRC, member.header_offset) == (7, 0)
        assert member.file_size == member.compress_size > 4 * entries
        with archive.open(member) as file:
            assert np.lib.format.read_magic(file) == (1, 0)
            assert np.lib.format.read_array_header_1_0(file)[0] == (entries,)
    assert (tmp_path / "k.npz").stat().st_size == frame.total_bytes


@pytest.mark.long
def test_an_archive_past_4_gib_is_whole(tmp_path: Path):
    frame = FRAMED[bodies.NPZ]("float32", (LARGE,))
    zeros, check = bytes(1 << 26), frame.check
    for _ in range(4 * LARGE // len(zeros)):
        check = frame.counted(check, zeros)
    sparse(tmp_path / "k.npz", LARGE, check)
    with zipfile.ZipFile(tmp_path / "k.npz") as archive:
        assert archive.testzip() is None
    if shutil.which("unzip"):
        assert subprocess.run(["unzip", "-tq", tmp_path / "k.npz"], check=False).returncode == 0
