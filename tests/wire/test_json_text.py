"""JSON: numbers keep their kind and value, shapes are checked, and both parsers read alike."""

import json
import math

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import wire
from app.errors import BodyTooLarge, DecodeError
from app.wire import json_plain, json_simd, json_text
from app.wire.json_text import read_json
from tests.wire import bodies

PARSERS = [json_simd, json_plain]
both = pytest.mark.parametrize("parser", PARSERS, ids=["simdjson", "orjson"])


def read(text: str | bytes, parser=json_simd):
    return read_json(text if isinstance(text, bytes) else text.encode(), bodies.LIMIT_BYTES, parser)


def array(text: str, parser=json_simd) -> np.ndarray:
    return read(f'{{"x1": {text}}}', parser).arrays["x1"]


@both
@pytest.mark.parametrize(
    ("text", "dtype", "values"),
    [
        ("[1, 2]", "int64", [1, 2]),
        ("[-9223372036854775808, 9223372036854775807]", "int64", [-(2**63), 2**63 - 1]),
        ("[9007199254740993]", "int64", [2**53 + 1]),
        ("[0, 9223372036854775808]", "uint64", [0, 2**63]),
        ("[18446744073709551615]", "uint64", [2**64 - 1]),
        ("18446744073709551615", "uint64", 2**64 - 1),
        ("[1, 2.0]", "float64", [1.0, 2.0]),
        ("[2.5, 1]", "float64", [2.5, 1.0]),
        ("[9223372036854775808, -1, 0.5]", "float64", [2.0**63, -1.0, 0.5]),
        ("[[-1, 9223372036854775808], [0.5, 1]]", "float64", [[-1.0, 2.0**63], [0.5, 1.0]]),
        ("[[1, 2], [3, 4.5]]", "float64", [[1.0, 2.0], [3.0, 4.5]]),
        ("[1e2]", "float64", [100.0]),
        ("-0", "int64", 0),
        ("-0.0", "float64", -0.0),
        ("[-0.0, 0.0]", "float64", [-0.0, 0.0]),
        ("[5e-324, 2.225073858507201e-308, 1e-400]", "float64", [5e-324, 2.225073858507201e-308, 0.0]),
        (
            "[0.1, 0.30000000000000004, 1.7976931348623157e308]",
            "float64",
            [0.1, 0.1 + 0.2, math.ldexp(2 - 2**-52, 1023)],
        ),
        ("[123456789012345678901234567890.0]", "float64", [123456789012345678901234567890.0]),
        ("[]", "float64", []),
        ("[[], []]", "float64", [[], []]),
        ("[[[]], [[]]]", "float64", [[[]], [[]]]),
        ("3", "int64", 3),
    ],
)
def test_numbers_keep_their_kind_and_their_value(parser, text, dtype, values):
    got, expected = array(text, parser), np.array(values, dtype)
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
    assert got.tobytes() == expected.tobytes()


@both
@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[[1, 2], [3]]", {"x1.0": [1, 2], "x1.1": [3]}),
        ("[1, [], [2, 3]]", {"x1.0": 1, "x1.1": [], "x1.2": [2, 3]}),
        ("[1, [2], 3]", {"x1.0": 1, "x1.1": [2], "x1.2": 3}),
        ("[-1, 9223372036854775808, []]", {"x1.0": -1, "x1.1": 2**63, "x1.2": []}),
        ("[-1, [9223372036854775808]]", {"x1.0": -1, "x1.1": [2**63]}),
        ("[1, [[2]], 3]", {"x1.0": 1, "x1.1": [[2]], "x1.2": 3}),
        ("[[1, [2]], [3, 4]]", {"x1.0.0": 1, "x1.0.1": [2], "x1.1": [3, 4]}),
        ("[[1, 2], [3], [4, 5, 6]]", {"x1.0": [1, 2], "x1.1": [3], "x1.2": [4, 5, 6]}),
        ("[[[1], [2]], [[3, 4]]]", {"x1.0": [[1], [2]], "x1.1": [[3, 4]]}),
        ('[{"a": 1}, [2]]', {"x1.0.a": 1, "x1.1": [2]}),
        ('{"b": [1], "a": {"c": 2}}', {"x1.b": [1], "x1.a.c": 2}),
        ('{"a.b": [1], "c[0]": 2, "\\u00e9": 3}', {"x1.[a.b]": [1], "x1.[c[0]]": 2, "x1.é": 3}),
        ('{"dtype": 1, "shape": 2, "base64": [3]}', {"x1.dtype": 1, "x1.shape": 2, "x1.base64": [3]}),
    ],
)
def test_what_is_no_rectangle_becomes_parts_by_name_and_number(parser, text, parts):
    message = read(f'{{"x1": {text}}}', parser)
    assert {name: value.tolist() for name, value in message.arrays.items()} == parts
    assert message.weak == set(parts)


@both
def test_a_bracket_in_a_text_hides_no_list(parser):
    for text in ("[", "params.[a.b]", "[[[", '\\"[', "\\u005b"):
        message = read(f'{{"x1": [1, [2], 3], "wrt": "{text}"}}', parser)
        assert sorted(message.arrays) == ["x1.0", "x1.1", "x1.2"]
        assert read(f'{{"x1": [[1, 2]], "wrt": "{text}"}}', parser).arrays["x1"].tolist() == [[1, 2]]


@both
def test_options_keep_their_type(parser):
    options = read('{"function": "f", "deadline_seconds": 1, "wrt": "\\u00e9", "x1": 1}', parser).options
    assert options == {"function": "f", "deadline_seconds": 1, "wrt": "é"}
    assert type(options["deadline_seconds"]) is int


@both
@pytest.mark.parametrize("shape", [(1000, 1), (1, 1000), (1000,), (500, 2, 1), (10, 10, 10), (1000, 0)])
def test_shapes_of_many_lists_are_found(parser, shape):
    expected = np.arange(float(math.prod(shape))).reshape(shape)
    assert np.array_equal(array(json.dumps(expected.tolist()), parser), expected)


trees = st.recursive(
    st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.just([]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(trees, st.booleans())
def test_both_parsers_read_the_same_arrays_or_both_refuse(tree, escaped):
    text = json.dumps({"x1": tree}, ensure_ascii=escaped)
    read_by = []
    for parser in PARSERS:
        try:
            message = read(text, parser)
            arrays = {name: (a.dtype, a.shape, a.tobytes()) for name, a in message.arrays.items()}
            read_by.append((arrays, message.weak))
        except DecodeError:
            read_by.append(None)
    assert read_by[0] == read_by[1]


@given(
    st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3), min_size=1)
)
def test_a_rectangle_is_read_as_numpy_reads_what_json_reads(rows):
    text = json.dumps(rows)
    expected = np.array(json.loads(text), np.float64)
    assert array(text).tobytes() == expected.tobytes()


@both
@pytest.mark.parametrize("rows", [0, 3, 100])
def test_a_list_that_hides_far_inside_a_long_one_is_found(parser, rows):
    hiding = [*range(3000), [7], *range(3000)]
    message = read(
        json.dumps({"x1": [[1.5, 2.5]] * rows or 1.5, "x2": hiding[:3000] + hiding[3001:]}), parser
    )
    assert message.arrays["x2"].shape == (6000,)
    with pytest.raises(DecodeError, match="x2 is ragged"):
        read(json.dumps({"x1": [[1.5, 2.5]] * rows or 1.5, "x2": hiding}), parser)


@pytest.mark.parametrize("found", [0, 1, 63, 64, 65, 500])
def test_brackets_are_counted_however_many_there_are(found):
    text = b"1234567 " * 600 + b"[1, " * found + b"x" * 600
    assert json_text._count(text, b"[") == found


def test_what_is_read_quickly_has_few_lists_or_is_short():
    flat, nested = numbers(100_000), json.dumps({"x1": [[1]] * 20_000}).encode()
    assert json_text.is_quick(flat)
    assert not json_text.is_quick(nested)
    assert not json_text.is_quick(numbers(600_000))
    assert json_text.is_quick(json.dumps({"x1": [[1]] * 1000}).encode())


def numbers(count: int) -> bytes:
    return b'{"x1":[' + b",".join([b"1"] * count) + b"]}"


@both
def test_the_limit_counts_a_number_as_eight_bytes(parser):
    assert read_json(numbers(1000), 8000, parser).arrays["x1"].size == 1000
    for count in (1001, 2000, 100_000):
        with pytest.raises(BodyTooLarge) as caught:
            read_json(numbers(count), 8000, parser)
        assert caught.value.fields["allowed_bytes"] == 8000


@both
def test_the_limit_counts_base64_and_parts_together(parser):
    body = bodies.document(x1=bodies.in_base64(np.zeros(10)), x2=[[1, 2], [3]])
    assert len(read_json(body, 104, parser).arrays) == 3
    with pytest.raises(BodyTooLarge):
        read_json(body, 103, parser)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_answers_hold_the_shortest_decimals_that_parse_back_to_the_same_float(dtype):
    bits = (
        np.random.default_rng(0)
        .integers(0, 2**63, 3000, dtype=np.uint64)
        .astype(f"u{np.dtype(dtype).itemsize}")
    )
    values = bits.view(dtype)
    values = np.append(
        values[np.isfinite(values)], np.array([0.1, 1 / 3, 2**24 + 2, 1e-45, 1e22, -0.0], dtype)
    )
    body = wire.CODECS[bodies.JSON].encode(bodies.answer(values.reshape(1, -1, 1, 1)))
    texts = body.partition(b'"matrix":[[[[')[2].rstrip(b"]}").split(b"]],[[")
    assert len(texts) == values.size
    for text, value in zip(texts, values, strict=True):
        assert np.array(float(text), np.float64).astype(dtype).tobytes() == value.tobytes()
        shortest = np.format_float_scientific(value, unique=True, trim="-")
        assert digits(text.decode()) == digits(shortest)


def digits(text: str) -> str:
    """The significant digits of a decimal."""
    return text.lstrip("-").partition("e")[0].replace(".", "").strip("0")


def test_an_answer_has_exactly_the_keys_of_the_contract():
    matrix = np.array([1.5, np.nan, -np.inf, 0.1], np.float32).reshape(2, 1, 2, 1)
    answer = bodies.answer(matrix)
    document = json.loads(wire.CODECS[bodies.JSON].encode(answer))
    assert document == {
        "function": "f",
        "version": "12345678",
        "wrt": "x",
        "algorithm": "forward",
        "dtype": "float32",
        "shape": [2, 1, 2, 1],
        "non_finite": 2,
        "matrix": [[[[1.5], [None]]], [[[None], [0.1]]]],
    }
    assert list(document) == wire.CODECS[bodies.JSON].answer_schema["required"]
    in_base64 = json.loads(wire.CODECS[bodies.JSON].encode(answer, "base64"))
    assert in_base64.pop("matrix") == bodies.in_base64(matrix)
    assert in_base64.items() <= document.items()


def test_a_transposed_matrix_is_written_in_its_own_order():
    matrix = np.asfortranarray(np.arange(12.0).reshape(1, 3, 4, 1))
    for arrays in ("lists", "base64"):
        document = orjson.loads(wire.CODECS[bodies.JSON].encode(bodies.answer(matrix), arrays))
        read_back = wire.decode(bodies.JSON, bodies.document(x1=document["matrix"]), bodies.LIMIT_BYTES)
        assert np.array_equal(read_back.arrays["x1"], matrix)
