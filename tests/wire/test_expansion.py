"""Content codings: what was compressed comes back, what is broken is refused, and no bomb goes off."""

import gzip
import io
import json
import os
import struct
import subprocess
import sys
import time
import zlib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BodyTooLarge, DecodeError
from app.wire import ENCODINGS, Encoding, Expansion
from app.wire.encodings import GZIP, ZSTD, zstd
from app.wire.expansion import MAX_PIECES, OUTPUT_BYTES, expanded

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
TEXT = b'{"function": "f", "x1": [0.25, 0.5]}' * 9
NOISE = os.urandom(3000)
MAGIC, SKIPPABLE = 0xFD2FB528, 0x184D2A50
both = pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=lambda encoding: encoding.name)


def frame(window_log: int, *blocks: bytes) -> bytes:
    """A frame of zstd without a content size, whose header asks for a window."""
    return struct.pack("<LBB", MAGIC, 0, (window_log - 10) << 3) + b"".join(blocks)


def run_of(byte: int, count: int, last: bool) -> bytes:
    """A block of one byte many times."""
    return struct.pack("<L", count << 3 | 1 << 1 | last)[:3] + bytes([byte])


def skippable(content: bytes, size: int | None = None) -> bytes:
    return struct.pack("<LL", SKIPPABLE, len(content) if size is None else size) + content


@both
@given(
    pieces=st.lists(st.binary(max_size=400) | st.integers(0, 900_000).map(bytes), min_size=1, max_size=4),
    steps=st.lists(st.integers(0, 600_000), max_size=6),
)
def test_what_was_compressed_comes_back_in_any_pieces_and_any_steps(
    encoding: Encoding, pieces: list[bytes], steps: list[int]
) -> None:
    whole = b"".join(pieces)
    expansion = Expansion(encoding, b"".join(map(encoding.compress, pieces)), len(whole))
    for step in sorted(steps):
        if expansion.go(step):
            break
        assert len(expansion.value()) == step + 1
    assert expansion.go(len(whole))
    assert expansion.value() == whole


@pytest.mark.parametrize("level", [1, 6, 9])
def test_what_others_compress_is_read_and_others_read_what_is_compressed_here(level: int) -> None:
    for data in (b"", TEXT, NOISE * 300):
        assert expanded(GZIP, gzip.compress(data, level), len(data)) == data
        assert expanded(ZSTD, zstd.compress(data, 2 * level), len(data)) == data
        assert gzip.decompress(GZIP.compress(data)) == data
        assert zstd.decompress(ZSTD.compress(data)) == data


def test_a_file_that_gzip_wrote_with_a_name_and_a_time_is_read() -> None:
    file = io.BytesIO()
    with gzip.GzipFile("x1.json", "wb", fileobj=file, mtime=1e9) as target:
        target.write(TEXT)
    assert expanded(GZIP, file.getvalue(), len(TEXT)) == TEXT


@both
@pytest.mark.parametrize("size", [1, 1000, OUTPUT_BYTES, OUTPUT_BYTES + 1, 3 * MIB])
@pytest.mark.parametrize("filling", ["zeros", "noise"])
def test_the_limit_holds_to_the_byte(encoding: Encoding, size: int, filling: str) -> None:
    data = bytes(size) if filling == "zeros" else os.urandom(size)
    body = encoding.compress(data)
    assert expanded(encoding, body, size) == data
    assert expanded(encoding, body, size + 1) == data
    with pytest.raises(BodyTooLarge) as caught:
        expanded(encoding, body, size - 1)
    assert caught.value.fields == {"allowed_bytes": size - 1}


CUT = {(name, at): encoding.compress(TEXT)[:at] for name, encoding in ENCODINGS.items() for at in range(40)}
BROKEN: dict[str, tuple[Encoding, bytes, str]] = {
    **{f"{name} cut at {at}": (ENCODINGS[name], body, "ends within") for (name, at), body in CUT.items()},
    "gzip without its last byte": (GZIP, GZIP.compress(TEXT)[:-1], "ends within"),
    "zstd without its last byte": (ZSTD, ZSTD.compress(TEXT)[:-1], "ends within"),
    "gzip with a byte behind it": (GZIP, GZIP.compress(TEXT) + b"x", "ends within|not another"),
    "gzip with zeros behind it": (
        GZIP,
        GZIP.compress(TEXT) + bytes(512),
        "follows member 1 .*nothing behind",
    ),
    "gzip with text behind it": (GZIP, GZIP.compress(TEXT) + TEXT, "follows member 1 .*nothing behind"),
    "zstd with text behind it": (ZSTD, ZSTD.compress(TEXT) + TEXT, "follows frame 1 .*nothing behind"),
    "zstd with zeros behind it": (ZSTD, ZSTD.compress(TEXT) + bytes(512), "follows frame 1"),
    "zstd behind gzip": (GZIP, GZIP.compress(TEXT) + ZSTD.compress(TEXT), "follows member 1"),
    "text as gzip": (GZIP, TEXT, "not the gzip.*leave the header out"),
    "text as zstd": (ZSTD, TEXT, "not the zstd.*leave the header out"),
    "gzip as zstd": (ZSTD, GZIP.compress(TEXT), "not the zstd"),
    "zstd as gzip": (GZIP, ZSTD.compress(TEXT), "not the gzip"),
    "zlib as gzip": (GZIP, zlib.compress(TEXT), "not the gzip"),
    "bare deflate as gzip": (GZIP, zlib.compress(TEXT, wbits=-15), "not the gzip"),
    "gzip, its checksum wrong": (GZIP, GZIP.compress(TEXT)[:-8] + bytes(8), "not the gzip"),
    "gzip, its length wrong": (GZIP, GZIP.compress(TEXT)[:-1] + b"\1", "not the gzip"),
    "a window of 2 GB": (ZSTD, frame(31, run_of(0, 9, last=True)), "not the zstd.*window of 8 MiB"),
    "a window of 16 MiB": (ZSTD, frame(24, run_of(0, 9, last=True)), "not the zstd.*window of 8 MiB"),
    "a frame to skip that is not all there": (ZSTD, skippable(b"", 0xFFFFFFFF), "ends within"),
    "more empty members than anyone sends": (GZIP, GZIP.compress(b"") * (MAX_PIECES + 1), "more than 10000"),
    "more empty frames than anyone sends": (ZSTD, ZSTD.compress(b"") * (MAX_PIECES + 1), "more than 10000"),
    "more frames to skip than anyone sends": (ZSTD, skippable(b"") * (MAX_PIECES + 1), "more than 10000"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_refused_with_the_reason(name: str) -> None:
    encoding, body, reason = BROKEN[name]
    with pytest.raises(DecodeError, match=reason):
        expanded(encoding, body, 1 * MIB)


def test_a_window_of_eight_mebibytes_and_frames_to_skip_are_read() -> None:
    body = skippable(b"notes") + frame(23, run_of(7, 9, last=True)) + skippable(b"") + ZSTD.compress(TEXT)
    assert expanded(ZSTD, body, 1 * MIB) == bytes([7]) * 9 + TEXT
    data = NOISE * 4000
    for level in (1, 19):  # up to 19 zstd itself asks for no more
        assert expanded(ZSTD, zstd.compress(data, level), len(data)) == data


@both
def test_as_many_pieces_as_are_allowed_take_little_time(encoding: Encoding) -> None:
    body = encoding.compress(b"") * (MAX_PIECES - 1) + encoding.compress(TEXT)
    began = time.process_time()
    assert expanded(encoding, body, MIB) == TEXT
    assert time.process_time() - began < 2


def test_blocks_that_hold_nothing_take_little_time() -> None:
    empty = b"\0\0\0"
    began = time.process_time()
    assert expanded(ZSTD, frame(20, empty * MIB, run_of(1, 5, last=True)), MIB) == b"\1" * 5
    stored = b"\0\0\0\xff\xff" * MIB
    head, tail = GZIP.compress(b"")[:10], b"\3\0" + bytes(8)
    assert expanded(GZIP, head + stored + tail, MIB) == b""
    assert time.process_time() - began < 5


BOMBS = """
import json, pathlib, sys
from app.errors import BodyTooLarge
from app.wire.encodings import GZIP, ZSTD
from app.wire.expansion import expanded

def peak():
    return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024

def bomb(encoding, size, piece=bytes(1 << 20)):
    compressor = encoding.compressor()
    parts = [compressor.compress(piece) for _ in range(size >> 20)]
    return b"".join((*parts, compressor.flush()))

limit, said = int(sys.argv[1]), {}
for encoding in (GZIP, ZSTD):
    for size, body in ((limit, bomb(encoding, limit)), (16 * limit, bomb(encoding, 16 * limit))):
        before = peak()
        try:
            held = len(expanded(encoding, body, limit))
        except BodyTooLarge:
            held = 0
        said[f"{encoding.name} {size}"] = [len(body), held, peak() - before]
print(json.dumps(said))
"""


def test_a_bomb_takes_no_more_memory_than_is_allowed() -> None:
    limit = 128 * MIB
    command = [sys.executable, "-c", BOMBS, str(limit)]
    said = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    grown = 0
    for name in ENCODINGS:
        size, held, more = said[f"{name} {limit}"]
        assert held == limit
        assert size < limit / 200
        grown = max(grown, more)
        _, held, more = said[f"{name} {16 * limit}"]
        assert held == 0
        grown = max(grown, more)
    assert limit / 2 < grown < limit * 5 / 4


@both
def test_what_is_compressed_in_pieces_is_one(encoding: Encoding) -> None:
    compressor = encoding.compressor()
    cuts = [0, 1, 7, 100_000, 100_001, 300_000]
    data = (TEXT * 1000)[:300_000]
    parts = [compressor.compress(memoryview(data)[low:high]) for low, high in pairwise(cuts)]
    assert expanded(encoding, b"".join((*parts, compressor.flush())), len(data)) == data


@pytest.mark.parametrize("size", [OUTPUT_BYTES - 1, OUTPUT_BYTES, 2 * OUTPUT_BYTES])
def test_a_checksum_behind_a_full_buffer_is_read(size: int) -> None:
    options: dict[int, int] = {zstd.CompressionParameter.checksum_flag: 1}
    for data in (bytes(size), os.urandom(size)):
        body = zstd.compress(data, options=options)
        assert expanded(ZSTD, body, size) == data
        assert expanded(ZSTD, body, 2 * size) == data
        with pytest.raises(DecodeError, match="not the zstd"):
            expanded(ZSTD, body[:-1] + bytes([body[-1] ^ 1]), size)
