"""Bodies that lie, break off or overreach: each is refused with a detail that helps, within the limit."""

import random
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import wire
from app.errors import BodyTooLarge, DecodeError, InvalidOption
from app.wire import json_plain
from app.wire.json_text import read_json
from tests.wire import bodies
from tests.wire.bodies import JSON, LIMIT_BYTES, NPY, NPZ, SAFETENSORS, claim, npy_claim, npy_raw, part
from tests.wire.bodies import archive as zipped
from tests.wire.bodies import safetensors_raw as tensors

ONE = np.arange(1.0, 3.0)
GOOD = bodies.npy(ONE)
HUGE = str(2**62)

JSON_BODIES = [
    ("[1, 2]", "object"),
    ("3", "object"),
    ("null", "object"),
    ('"x1"', "object"),
    ("", "empty"),
    ("   ", "empty"),
    ('{"x1": [1, 2]', "not one JSON"),
    ('{"x1": [1, 2]} x', "not one JSON"),
    ('{"x1": [1]} {"x1": [1]}', "not one JSON"),
    ('{"x1": [1,]}', "not one JSON"),
    ("{'x1': [1]}", "not one JSON"),
    ('{"x1": [01]}', "number"),
    ('{"x1": [1.]}', "number"),
    ('{"x1": [.5]}', "not one JSON"),
    ('{"x1": [+1]}', "not one JSON"),
    ('{"x1": [NaN]}', "not one JSON"),
    ('{"x1": [Infinity]}', "not one JSON"),
    ('{"x1": [-Infinity]}', "number"),
    ('{"x1": [1e999]}', "number"),
    ('{"x1": [-1e999]}', "number"),
    ('{"x1": [18446744073709551616]}', "64 bits"),
    ('{"x1": [-9223372036854775809]}', "64 bits"),
    ('{"x1": [1' + "0" * 5000 + "]}", "64 bits"),
    ('{"x1": [-1, 9223372036854775808]}', "64 bits"),
    ('{"x1": ["1"]}', r"x1\.0.*text"),
    ('{"x1": "1"}', "x1.*text"),
    ('{"x1": [1, true]}', r"x1\.1.*boolean"),
    ('{"x1": [[1, 2], [3, null]]}', r"x1\.1\.1.*null"),
    ('{"x1": {"a": [null]}}', r"x1\.a\.0.*null"),
    ('{"x1": null}', "null"),
    ('{"x1": true}', "boolean"),
    ('{"x1": ["", 1]}', "text"),
    ('{"x1": {}}', "empty object"),
    ('{"x1": {"": 1}}', "empty key"),
    ('{"x1": [{}]}', "empty object"),
    ('{"x1": [1], "x1": [1]}', "x1.*twice"),
    ('{"x1": {"a": 1, "a": 2}}', "twice"),
    ('{"x1": {"a": {"b": 1}, "a": {"c": 1}}}', "twice"),
    ('{"x1": {"a": 1}, "x1.a": 2}', "twice"),
    ('{"x1": [{"a": 1, "b": 2, "a": 3}]}', "twice"),
    ('{"x1": 1, "wrt": "x", "wrt": "x"}', "wrt.*twice"),
    ('{"x1": 1, "x1.": 2}', "empty part"),
    ('{"x1": 1, "x1..a": 2}', "empty part"),
    ('{"x1": 1, "x3": [1]}', "x3.*not known"),
    ('{"x1": 1, "X1": {"a": 1}}', "not known"),
    ('{"x1": 1, "__class__": [1]}', "not known"),
    ('{"x1": 1, "foo": null}', "not known"),
    ('{"x1": 1, "wrt": null}', "wrt.*null"),
    ('{"x1": 1, "wrt": ["x"]}', "wrt.*list"),
    ('{"x1": 1, "deadline_seconds": {}}', "deadline_seconds.*number"),
    ('{"x1": [[1], 2' + ", 2" * 3000 + '], "x2": [[1], 2' + ", 2" * 3000 + "]}", "more than 4096 arrays"),
    ('{"x1\\u0000": 1}', "NUL|not known"),
    ('{"x1": {"a\\u0000b": 1, "a": 2, "c": "\\u0000"}}', "NUL|text"),
    ('{"x1": "\\ud800"}', "not one JSON"),
    ('{"\\udc00": 1}', "not one JSON"),
    ('{"x1": {"' + "k" * 2000 + '": 1}}', "longer than 1024"),
    ("\ufeff" + '{"x1": [1]}', "byte-order mark"),
    ("[" * 100_000 + "]" * 100_000, "not one JSON"),
    ('{"x1":' + "[" * 40 + "]" * 40 + "}", "dimensions"),
    ('{"x1":' + "[1," * 100 + "1" + "]" * 100 + "}", "deeper|dimensions"),
    ('{"x1":' + '{"a":' * 100 + "1" + "}" * 100 + "}", "deeper"),
    ('{"x1":' + '[[1],{"a":' * 50 + "1" + "}]" * 50 + "}", "deeper"),
    ('{"x1": [' + "[1,2],[3]," * 3000 + "[4]]}", r"ragged.*x1\.1"),
    ('{"x1": [' + "[1,[2]],[[1],2]," * 3000 + "[4]]}", "ragged"),
    ('{"x1": [' + '{"a":1},' * 5000 + "1]}", "ragged|arrays"),
    ('{"x1": {' + ",".join(f'"{key}":1' for key in range(5000)) + "}}", "keys"),
]
BASE64_BODIES = [
    ({"dtype": "float64", "shape": [2], "base64": "AAAA"}, "shorter"),
    ({"dtype": "float64", "shape": [1], "base64": "A" * 16}, "longer"),
    ({"dtype": "float32", "shape": [1], "base64": "AAAAAA"}, "padded"),
    ({"dtype": "float32", "shape": [1], "base64": "AAAAAA==\n"}, "padded"),
    ({"dtype": "float32", "shape": [1], "base64": "AAA AAA=="}, "padded"),
    ({"dtype": "float32", "shape": [1], "base64": "AAAA-_=="}, "padded"),
    ({"dtype": "float32", "shape": [1], "base64": "ÄÄÄÄÄÄ=="}, "padded"),
    ({"dtype": "float32", "shape": [1], "base64": "AAAAAA==AAAA"}, "padded"),
    ({"dtype": "complex64", "shape": [1], "base64": "AAAAAAAAAAA="}, "complex64.*float32"),
    ({"dtype": "<f4", "shape": [1], "base64": "AAAAAA=="}, "<f4"),
    ({"dtype": "object", "shape": [1], "base64": "AAAAAA=="}, "object"),
    ({"dtype": 4, "shape": [1], "base64": "AAAAAA=="}, "dtype 4"),
    ({"dtype": ["float32"], "shape": [1], "base64": "AAAAAA=="}, "dtype"),
    ({"dtype": "float32", "shape": 1, "base64": "AAAAAA=="}, "list of dimensions"),
    ({"dtype": "float32", "shape": [1.0], "base64": "AAAAAA=="}, "1.0"),
    ({"dtype": "float32", "shape": [True], "base64": "AAAAAA=="}, "True"),
    ({"dtype": "float32", "shape": [[1]], "base64": "AAAAAA=="}, "dimension"),
    ({"dtype": "float32", "shape": [-1], "base64": "AAAAAA=="}, "-1"),
    ({"dtype": "float32", "shape": [2**62, 0], "base64": ""}, "larger than any"),
    ({"dtype": "bool", "shape": [1], "base64": "Ag=="}, "boolean"),
    ({"dtype": "float32", "base64": "AAAAAA=="}, "dtype, shape and base64"),
    ({"dtype": "float32", "shape": [1], "base64": "AAAAAA==", "order": "F"}, "nothing else"),
    ({"dtype": "float32", "shape": [1], "base64": None}, "text|null"),
]
NPY_BODIES = [
    (b"\x93NUMPY", "version"),
    (b"PK\x03\x04", "begin"),
    (b"\x80\x04\x95pickle", "begin"),
    (GOOD[:9], "inside its header"),
    (GOOD[:40], "inside its header"),
    (GOOD[:-1], "shorter"),
    (GOOD + b"\0", "longer"),
    (GOOD + GOOD, "longer"),
    (npy_claim(shape=f"({2**29},)"), "shorter"),
    (npy_claim(shape=f"({10**12},)"), "shorter"),
    (npy_claim(shape=f"({2**32}, {2**32})", data=b""), "larger than any|shorter"),
    (npy_claim(shape=f"(0, {HUGE})", data=b""), "larger than any"),
    (npy_claim(shape="(1" + "0" * 4000 + ",)"), "larger than any|shorter"),
    *(
        (npy_claim(f"'{text}'"), "dtype")
        for text in ("|V0", "|S0", "|S8", "<U2", "|O", "<M8[s]", "<c16", "<f16")
    ),
    *((npy_claim(f"'{text}'"), "dtype") for text in ("float64", "f8", "<f3", "", "=f8", "|f8", "<i16")),
    (npy_claim("'<V2'", data=bytes(4)), "bfloat16.*safetensors"),
    (npy_claim("[('a', '<f8')]"), "dtype"),
    (npy_claim("('<f8', (1000000,))"), "dtype"),
    (npy_claim("None"), "dtype"),
    (npy_claim("{}"), "dtype"),
    (npy_claim("8"), "dtype"),
    (npy_claim(order="1"), "fortran_order"),
    (npy_claim(order="None"), "fortran_order"),
    (npy_claim(shape="(True, 2)"), "dimension True"),
    (npy_claim(shape="(2.0,)"), "dimension 2.0"),
    (npy_claim(shape="(-2,)"), "dimension -2"),
    (npy_claim(shape="(2L,)"), "not as NumPy writes"),
    (npy_claim(shape="(1_0,)"), "not as NumPy writes"),
    (npy_claim(shape="[2]"), "not a tuple"),
    (npy_claim(shape="2"), "not a tuple"),
    (npy_claim(shape="(" + "1," * 65 + ")", data=bytes(8)), "65 dimensions"),
    (npy_claim(shape="(" * 3000 + ")" * 3000), "not as NumPy writes"),
    (npy_claim(shape="-" * 5000 + "1"), "not as NumPy writes|not a tuple"),
    (npy_claim(shape="__import__('os').getpid()"), "not as NumPy writes"),
    (npy_claim("'\\x3cf8'"), "not as NumPy writes"),
    (npy_raw("{'descr': '<f8', 'fortran_order': False}"), "nothing else"),
    (npy_raw("{'descr': '<f8', 'fortran_order': False, 'shape': (0,), 'x': 1}"), "nothing else"),
    (npy_raw("[]"), "nothing else"),
    (npy_raw("{[]: 1}"), "not as NumPy writes"),
    (npy_raw(""), "not as NumPy writes"),
    (npy_raw("\0" * 64), "not as NumPy writes"),
    (npy_raw("é" * 20), "not as NumPy writes"),
    (npy_raw("{'descr': '<f8', 'fortran_order': False, 'shape': (é,)}"), "not as NumPy writes"),
    (npy_raw(" " * 20_000), "at most 10000"),
    (b"\x93NUMPY\x02\x00" + b"\xff" * 4 + bytes(100), "at most 10000"),
    (npy_raw("{}", version=b"\x09\x09"), "versions 1.0"),
    (npy_raw("{}", version=b"\x01\x01"), "versions 1.0"),
    (npy_claim("'|b1'", data=b"\x01\x02"), "boolean"),
]


def lying(body: bytes, offset: int, value: int, width: int = 4) -> bytes:
    """An archive with a field of its directory's first entry overwritten."""
    at = body.rindex(b"PK\x01\x02", 0, body.rindex(b"PK\x05\x06")) + offset
    return body[:at] + value.to_bytes(width, "little") + body[at + width :]


ARCHIVE = bodies.npz(x1=ONE)
END = struct.Struct("<4s4H2LH")
NPZ_BODIES = [
    (b"PK\x03\x04", "directory"),
    (ARCHIVE[:-1], "directory"),
    (ARCHIVE[: len(ARCHIVE) // 2], "directory"),
    (ARCHIVE + b"\0", "directory"),
    (GOOD, "directory"),
    (b"\0" + ARCHIVE[1:], "broken"),
    (bodies.npz(x1=ONE, x2=ONE).replace(b"x2.npy", b"x1.npy"), "twice"),
    (zipped([("x1", GOOD)]), "not an array"),
    (zipped([("x1.txt", GOOD)]), "not an array"),
    (zipped([("../x1.npy", GOOD)]), "not known"),
    (zipped([("/x1.npy", GOOD)]), "not known"),
    (zipped([("arr_0.npy", GOOD)]), "arr_0.*not known"),
    (zipped([("matrix.npy", GOOD)]), "not known"),
    (zipped([("x1..npy", GOOD)]), "empty part"),
    (zipped([("x1.npy", b"raw bytes")]), "not an npy"),
    (zipped([("x1.npy", GOOD[:-3])]), "x1.*shorter"),
    (zipped([("x1.npy", npy_claim(shape=f"({10**12},)"))]), "x1.*shorter"),
    (zipped([("x1.npy", b"")]), "not an npy"),
    (zipped([("x1.npy", GOOD)], zipfile.ZIP_BZIP2), "stored or deflated"),
    (zipped([("x1.npy", GOOD)], zipfile.ZIP_LZMA), "stored or deflated"),
    (zipped([(f"x1.{index}.npy", b"") for index in range(2000)]), "directory is larger"),
    (lying(ARCHIVE, 8, 1, 2), "encrypted"),
    (lying(ARCHIVE, 10, 99, 2), "stored or deflated"),
    (lying(ARCHIVE, 10, 8, 2), "broken"),
    (lying(ARCHIVE, 16, 1), "broken.*CRC"),
    (lying(ARCHIVE, 20, 10), "broken|bytes that its directory says"),
    (lying(ARCHIVE, 24, 10), "broken|begin"),
    (lying(ARCHIVE, 24, 2**20), "broken|directory says|expands"),
    (lying(ARCHIVE, 42, 5), "broken"),
    (lying(bodies.npz_deflated(x1=np.zeros(1000)), 24, 100), "broken"),
    (ARCHIVE[:-22] + b"PK\x06\x07" + bytes(16) + ARCHIVE[-22:], "directory is larger"),
    (END.pack(b"PK\x05\x06", 0, 0, 9, 9, 2**32 - 1, 0, 0), "directory is larger"),
    (END.pack(b"PK\x05\x06", 0, 0, 9, 9, 60_000, 0, 0), "broken"),
    (ARCHIVE.replace(b"x1.npy", b"x1\0npy"), "not an array|broken"),
]
TWO = claim()
SAFETENSORS_BODIES = [
    (b"", "empty"),
    (b"1234567", "at least 8"),
    (struct.pack("<Q", 0), "not a JSON object"),
    (struct.pack("<Q", 100) + b"{}", "inside its header"),
    (struct.pack("<Q", 10**8) + b"{}", "at most"),
    (struct.pack("<Q", 2**64 - 1) + b"{}", "at most"),
    (tensors(b"[]"), "not a JSON object"),
    (tensors(b" {}"), "not a JSON object"),
    (tensors(b"{}\0"), "not a JSON object"),
    (tensors(b"{" + b'"a":{' * 100_000), "not a JSON object"),
    (tensors(b"\xff\xfe{}"), "not a JSON object"),
    (tensors(b'{"x1":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "not a JSON object|dtype, shape"),
    (tensors(b'{"x1":{"dtype":"F64","shape":[2],"data_offsets":[0,16],"shape":[2]}}', bytes(16)), "twice"),
    (
        tensors(
            b'{"x1":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},'
            b'"x1":{"dtype":"F64","shape":[1],"data_offsets":[8,16]}}',
            bytes(16),
        ),
        "twice",
    ),
    (tensors({"x1": claim(offsets=(16, 0))}, bytes(16)), "x1"),
    (tensors({"x1": claim(offsets=(8, 24))}, bytes(24)), "no holes"),
    (tensors({"x1": claim(offsets=(-16, 0))}, bytes(16)), "data_offsets"),
    (tensors({"x1": claim(offsets=(0.0, 16))}, bytes(16)), "data_offsets"),
    (tensors({"x1": claim(offsets=(0, 16, 16))}, bytes(16)), "data_offsets"),
    (tensors({"x1": claim(offsets="ab")}, bytes(16)), "data_offsets"),
    (tensors({"x1": claim(offsets=(False, 16))}, bytes(16)), "data_offsets"),
    (tensors({"x1": TWO, "x2": TWO}, bytes(16)), "no holes, no overlaps"),
    (tensors({"x1": TWO, "x2": claim(offsets=(8, 24))}, bytes(24)), "no overlaps"),
    (tensors({"x1": TWO, "x2": claim(offsets=(20, 36))}, bytes(36)), "no holes"),
    (tensors({"x1": TWO}, bytes(8)), "8 bytes of data came"),
    (tensors({"x1": TWO}, bytes(17)), "17 bytes of data came"),
    (tensors({"x1": claim(shape=(3,))}, bytes(16)), "x1.*shorter"),
    (tensors({"x1": claim(shape=(1,))}, bytes(16)), "x1.*longer"),
    (tensors({"x1": claim(shape=(2**32, 2**32), offsets=(0, 0))}), "larger than any"),
    (tensors({"x1": claim(shape=(2**61,), offsets=(0, 0))}), "larger than any|shorter"),
    (tensors({"x1": claim(shape=(0, 2**62), offsets=(0, 0))}), "larger than any"),
    (tensors({"x1": claim(shape=(10**12,), offsets=(0, 8 * 10**12))}), "bytes of data came"),
    (tensors({"x1": claim(shape=(-2,))}, bytes(16)), "dimension -2"),
    (tensors({"x1": claim(shape=(2.0,))}, bytes(16)), "dimension 2.0"),
    (tensors({"x1": claim(shape=(True,), offsets=(0, 8))}, bytes(8)), "dimension True"),
    (tensors({"x1": claim(shape="2")}, bytes(16)), "list of dimensions"),
    (tensors({"x1": claim(shape=[1] * 33, offsets=(0, 8))}, bytes(8)), "33 dimensions"),
    *(
        (tensors({"x1": claim(dtype=word)}, bytes(16)), "dtype.*BF16")
        for word in ("f64", "F128", "C64", "F8_E4M3", "<f8", "", None, ["F64"], {})
    ),
    (tensors({"x1": 3}), "dtype, shape and data_offsets"),
    (tensors({"x1": {"dtype": "F64"}}), "dtype, shape and data_offsets"),
    (tensors({"x3": TWO}, bytes(16)), "x3.*not known"),
    (tensors({"": TWO}, bytes(16)), "not known"),
    (tensors({"x1": TWO, "__metadata__": {"a": 1}}, bytes(16)), "__metadata__"),
    (tensors({"x1": TWO, "__metadata__": []}, bytes(16)), "__metadata__"),
    (struct.pack("<Q", 2**20 + 1) + b"{}" * 1000, "at most"),
    (tensors({f"x1.{index}": claim(shape=(0,), offsets=(0, 0)) for index in range(5000)}), "5000 arrays"),
    (tensors({"x1": claim("BOOL", (2,), (0, 2))}, b"\x01\x02"), "boolean"),
]
F, X = part("function", "f"), part("x1", GOOD, "a.npy")
FORM_BODIES = [
    (b"no boundary here", "cannot be read"),
    (b"\r\n" * 1000, "last boundary"),
    (bodies.form(F, X)[:-4], "last boundary"),
    (bodies.form(F, X)[:200], "last boundary"),
    (bodies.form(F, X, X), "x1.*twice"),
    (bodies.form(F, F, X), "function.*twice"),
    (bodies.form(F, *(part(f"x1.{index}", b"", "a") for index in range(10_000))), "256 parts"),
    (bodies.form(F, part("x1", "[1, 2]")), "x1.*body"),
    (bodies.form(F, part("x1", "[1, 2]", "x1.json")), "x1: not an npy"),
    (bodies.form(F, part("x1", GOOD[:-1], "a.npy")), "x1.*shorter"),
    (bodies.form(F, part("x3", GOOD, "a.npy")), "x3.*not known"),
    (bodies.form(part("function", "f", "f.txt"), X), "function.*not known"),
    (bodies.form(F, X, part("colour", "red")), "colour.*not known"),
    (bodies.form(F, X, part("", "red")), "no name"),
    (bodies.form(F, X, b"--edge\r\n\r\nfree\r\n"), "no name"),
    (bodies.form(F, X, b"--edge\r\nContent-Disposition: attachment; name=x1\r\n\r\n\r\n"), "no name"),
    (bodies.form(F, X, part("wrt", b"\xff\xfe")), "UTF-8"),
    (bodies.form(F, X, part("wrt", b"x" * 100_000)), "at most"),
    (bodies.form(F, X, part("deadline_seconds", "soon")), "deadline_seconds.*number"),
    (
        bodies.form(F, part("x1", "AAAA", "a.npy", "Content-Transfer-Encoding: base64\r\n")),
        "Transfer-Encoding",
    ),
    (bodies.form(F, part("x1", GOOD, "a", "Content-Disposition: form-data; name=x2\r\n")), "twice"),
    (bodies.form(F, part("x1", GOOD, "a", "".join(f"h{i}: 1\r\n" for i in range(50)))), "cannot be read"),
    (bodies.form(F, part("x1", GOOD, "a", "h: " + "x" * 100_000 + "\r\n")), "cannot be read"),
    (bodies.form(F, part("x1", GOOD, "a", "no colon\r\n")), "cannot be read"),
    (bodies.form(F, part("x\xff1", GOOD, "a")), "not known"),
]
TABLE = [
    *((JSON, text.encode(), word) for text, word in JSON_BODIES),
    *(
        (JSON, text.encode(code), "JSON|UTF-8|byte")
        for text in ('{"x1": [1]}',)
        for code in ("utf-16", "utf-32")
    ),
    (JSON, b'{"x1": [1], "wrt": "\xff"}', "UTF-8"),
    (JSON, b'{"x1": [1]}\0', "not one JSON"),
    *((JSON, bodies.document(x1=entry), word) for entry, word in BASE64_BODIES),
    *((NPY, body, word) for body, word in NPY_BODIES),
    *((NPZ, body, word) for body, word in NPZ_BODIES),
    *((SAFETENSORS, body, word) for body, word in SAFETENSORS_BODIES),
    *((bodies.FORM, body, word) for body, word in FORM_BODIES),
    ("multipart/form-data", bodies.form(F, X), "boundary"),
    ("multipart/form-data; boundary=", bodies.form(F, X), "boundary"),
    ("multipart/form-data; boundary=" + "b" * 10_000, bodies.form(F, X), "cannot be read"),
    ("multipart/form-data; boundary=other", bodies.form(F, X), "cannot be read"),
]


def test_the_table_is_long():
    assert len(TABLE) > 200


@pytest.mark.parametrize(
    ("content_type", "body", "word"),
    [pytest.param(*row, id=f"{row[0][:24]}-{index}") for index, row in enumerate(TABLE)],
)
def test_a_bad_body_is_refused_with_a_detail_that_helps(content_type, body, word):
    with pytest.raises((DecodeError, BodyTooLarge), match=f"(?s){word}") as caught:
        wire.decode(content_type, body, LIMIT_BYTES)
    assert len(caught.value.detail) < 500
    assert type(caught.value) in (DecodeError, InvalidOption, BodyTooLarge)


@pytest.mark.parametrize("text", [text for text, _ in JSON_BODIES if text.strip()])
def test_what_one_parser_of_json_refuses_the_other_refuses(text):
    with pytest.raises(DecodeError):
        read_json(text.encode(), LIMIT_BYTES, json_plain)


def bomb() -> bytes:
    return zipped([("x1.npy", npy_claim(shape=f"({10**8},)", data=bytes(8 * 10**7)))], zipfile.ZIP_DEFLATED)


def overlapping(copies: int) -> bytes:
    """An archive whose directory names one deflated member many times."""
    single = zipped([("x1.0.npy", npy_claim(shape="(100000,)", data=bytes(800_000)))], zipfile.ZIP_DEFLATED)
    end = single.rindex(b"PK\x05\x06")
    start = single.index(b"PK\x01\x02")
    entry = single[start:end]
    directory = b"".join(entry.replace(b"x1.0.npy", f"x1.{index}.npy".encode()) for index in range(copies))
    tail = END.pack(b"PK\x05\x06", 0, 0, copies, copies, len(directory), start, 0)
    return single[:start] + directory + tail


@pytest.mark.parametrize(
    ("content_type", "make"),
    [
        (NPZ, bomb),
        (NPZ, lambda: overlapping(10)),
        (NPZ, lambda: zipped([(f"x1.{i}.npy", bytes(300_000)) for i in range(9)], zipfile.ZIP_DEFLATED)),
        (NPY, lambda: npy_claim(shape=f"({2**29},)")),
        (SAFETENSORS, lambda: tensors({"x1": claim(shape=(10**9,), offsets=(0, 8 * 10**9))}, bytes(16))),
        (JSON, lambda: b'{"x1":[' + b"1," * 400_000 + b"1]}"),
        (JSON, lambda: b'{"x1":[' + b"[1]," * 200_000 + b"[1]]}"),
        (JSON, lambda: b'{"x1":[' + b"[1],[]," * 100_000 + b"[1]]}"),
        (JSON, lambda: b'{"x1":[' + b"[[1],2]," * 100_000 + b"[1]]}"),
        (JSON, lambda: b'{"x1":' + b"[" * 500 + b"1," * 400_000 + b"1" + b"]" * 500 + b"}"),
        (JSON, lambda: b'{"x1":{' + b",".join(b'"%d":1' % i for i in range(90_000)) + b"}}"),
        (JSON, lambda: bodies.document(x1={"dtype": "float64", "shape": [10**9], "base64": "AAAA" * 1000})),
        (JSON, lambda: bodies.document(x1={"dtype": "float64", "shape": [10], "base64": "A" * 900_000})),
        (bodies.FORM, lambda: bodies.form(*(part(f"x1.{i}", b"", "a") for i in range(9000)))),
    ],
)
def test_memory_stays_within_a_few_times_the_limit(content_type, make):
    body = make()
    tracemalloc.start()
    try:
        with pytest.raises((DecodeError, BodyTooLarge)):
            wire.decode(content_type, body, LIMIT_BYTES)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4 * LIMIT_BYTES


VALID = bodies.valid(np.arange(12.0).reshape(3, 4))
TOKENS = [b"[", b"]", b"{", b"}", b'"', b",", b"null", b"true", b"\0", b"\xff" * 4, b"1e999", b"9" * 25, b"-"]
TOKENS += [
    b"\\ud800",
    b"x1",
    b"'",
    b"(",
    b")",
    b"L",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"\r\n",
    b"--edge",
    b"<V2",
]


def read_or_refuse(content_type: str, body: bytes) -> None:
    """Any other exception than these two ends the test."""
    detail = "read"
    try:
        message = wire.decode(content_type, body, LIMIT_BYTES)
        assert sum(array.nbytes for array in message.arrays.values()) <= LIMIT_BYTES
    except (DecodeError, BodyTooLarge) as error:
        detail = error.detail
    assert 0 < len(detail) < 1000


@given(st.sampled_from([*VALID]), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content_type, body):
    read_or_refuse(content_type, body)


@given(st.sampled_from([*VALID]), st.data())
def test_a_body_cut_anywhere_is_refused(content_type, data):
    body = VALID[content_type]
    length = data.draw(st.integers(0, len(body) - (3 if content_type == bodies.FORM else 1)))
    with pytest.raises(DecodeError):
        wire.decode(content_type, body[:length], LIMIT_BYTES)


@st.composite
def mutations(draw):
    content_type = draw(st.sampled_from([*VALID]))
    body = VALID[content_type]
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        piece = draw(st.sampled_from(TOKENS) | st.binary(max_size=4))
        body = body[:at] + piece + body[at + draw(st.integers(0, 12)) :]
    return content_type, body


@given(mutations())
def test_a_mutated_body_is_read_or_refused(mutation):
    read_or_refuse(*mutation)


def mutate(body: bytes, source: random.Random) -> bytes:
    changed = bytearray(body)
    for _ in range(source.randint(1, 4)):
        at = source.randrange(len(changed) + 1)
        match source.randrange(5):
            case 0:
                changed[at:at] = source.choice(TOKENS)
            case 1:
                del changed[at : at + source.randint(1, 20)]
            case 2:
                changed = changed[: max(at, 1)]
            case 3:
                changed[at : at + 1] = bytes([source.randrange(256)])
            case 4:
                start = source.randrange(len(changed) + 1)
                changed[at:at] = changed[start : start + source.randint(1, 30)]
    return bytes(changed)


@pytest.mark.parametrize("content_type", VALID)
@pytest.mark.parametrize("count", [300, pytest.param(20_000, marks=pytest.mark.long)])
def test_many_mutated_bodies_are_read_or_refused(content_type, count):
    source = random.Random(count)
    for _ in range(count):
        read_or_refuse(content_type, mutate(VALID[content_type], source))
