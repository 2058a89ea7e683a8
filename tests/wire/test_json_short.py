"""Short documents: read at once they are what the careful reader makes of them, or they are left to it."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import RequestError
from app.specs import Message
from app.wire.json_short import MAX_BYTES, read_short
from app.wire.json_text import read_json
from tests.wire import bodies

UNUSUAL = [
    '{"x1": 1, "x1": 1}',
    '{"x1": {"dtype": "int8", "shape": [1], "base64": "AA==", "base64": "AA=="}}',
    '{"x1": 1, "wrt": "x", "wrt": "x"}',
    '{"x1": 1, "wrt": "\\""}',
    '{"x1": [18446744073709551616]}',
    '{"x1": [9223372036854775808]}',
    '{"x1": [0.5, 18446744073709551616]}',
    '{"x1": 1, "deadline_seconds": 18446744073709551616}',
    '{"x1": 1, "deadline_seconds": true}',
    '{"x1": [1, true]}',
    '{"x1": [0.5, false]}',
    '{"x1": [0.5, null]}',
    '{"x1": ["1"]}',
    '{"x1": [1, [2]]}',
    '{"x1": [[[[[1]]]]]}',
    '{"x1": {"a": 1}}',
    '{"x1": {"dtype": "int8", "shape": [true], "base64": "AA=="}}',
    '{"x1": {"dtype": "int8", "shape": [1.0], "base64": "AA=="}}',
    '{"x1": {"dtype": "int8", "shape": [[1]], "base64": "AA=="}}',
    '{"x1": {"dtype": "int8", "shape": [2], "base64": "AA=="}}',
    '{"x1": {"dtype": "int8", "shape": [1], "base64": "AA"}}',
    '{"x1.a": 1}',
    '{"x1": 1, "colour": "red"}',
    "[1]",
    "{",
    '{"x1": 1' + " " * MAX_BYTES + "}",
]


def seen(message: Message) -> tuple[object, ...]:
    arrays = {name: (a.dtype, a.shape, a.tobytes()) for name, a in message.arrays.items()}
    return arrays, message.options, message.weak


@pytest.mark.parametrize("text", UNUSUAL)
def test_what_is_unusual_is_left_to_the_careful_reader(text):
    # A claim that was read and kept before must not stand for one that only equals it.
    assert read_short(bodies.document(x1=bodies.in_base64(np.ones(1, np.int8))), bodies.LIMIT_BYTES)
    assert read_short(text.encode(), bodies.LIMIT_BYTES) is None


def test_what_could_pass_the_limit_is_left_to_the_careful_reader():
    body = b'{"x1":[1]}'
    assert read_short(body, 4 * len(body)) is not None
    assert read_short(body, 4 * len(body) - 1) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"x1": 1, "x2": [[1, 2], [3, 4.5]], "wrt": "x", "deadline_seconds": 2},
        {"x1": [[], []], "x2": bodies.in_base64(np.ones((2, 3), np.float32))},
        {"x1": bodies.in_base64(np.zeros((0, 2), bool)), "deadline_seconds": 0.5},
        {"x1": bodies.in_base64(np.array([True, False])), "wrt": "é"},
    ],
)
def test_a_usual_document_is_read_at_once(fields):
    body = bodies.document(**fields)
    message = read_short(body, bodies.LIMIT_BYTES)
    assert message is not None
    assert seen(message) == seen(read_json(body, bodies.LIMIT_BYTES))


numbers = (
    st.integers(-(2**64), 2**65)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.sampled_from([2**63, -(2**63), 2**63 - 1, 2**53 + 1, 1e19])
)
values = st.recursive(numbers, lambda inner: st.lists(inner, max_size=3), max_leaves=6)
keys = st.sampled_from(["x1", "x2", "x1.a", "wrt", "deadline_seconds", "function"])


@given(st.lists(st.tuples(keys, values | st.text(max_size=4)), max_size=4), st.booleans())
def test_a_document_that_is_read_at_once_is_read_the_same_with_care(pairs, escaped):
    said = (f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=escaped)}" for key, value in pairs)
    body = f"{{{', '.join(said)}}}".encode()
    message = read_short(body, bodies.LIMIT_BYTES)
    if message is not None:
        assert seen(message) == seen(read_json(body, bodies.LIMIT_BYTES))


@given(st.binary(max_size=60))
def test_any_bytes_that_are_read_at_once_are_read_with_care(data):
    body = b'{"x1":' + data + b"}"
    if read_short(body, bodies.LIMIT_BYTES) is not None:
        try:
            read_json(body, bodies.LIMIT_BYTES)
        except RequestError as error:
            pytest.fail(f"{body!r}: {error.detail}")
