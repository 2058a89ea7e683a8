"""The table of formats, and the choice of one by Content-Type and Accept."""

import time

import numpy as np
import pytest

from app import wire
from app.errors import BodyTooLarge, DecodeError, NotAcceptable, UnknownFormat
from tests.wire import bodies

ALL = [
    "application/json",
    "multipart/form-data",
    "application/x-npy",
    "application/x-npz",
    bodies.SAFETENSORS,
]
BINARY = [bodies.FORM, bodies.NPY, bodies.NPZ, bodies.SAFETENSORS]


def chosen(accept, content_type=bodies.JSON):
    return wire.negotiate(accept, content_type).media_type


def test_the_table_names_each_format_by_its_media_type():
    assert list(wire.CODECS) == ALL
    assert [codec.media_type for codec in wire.CODECS.values()] == ALL
    assert all(codec.reads for codec in wire.CODECS.values())
    assert [name for name, codec in wire.CODECS.items() if not codec.writes] == ["multipart/form-data"]
    assert all(codec.description.endswith(".") for codec in wire.CODECS.values())


def test_a_format_for_one_direction_refuses_the_other():
    with pytest.raises(NotAcceptable, match="multipart"):
        wire.CODECS["multipart/form-data"].encode(bodies.answer(np.ones((1, 1, 1, 1))))
    with pytest.raises(UnknownFormat, match="a/b"):
        wire.Codec("a/b", "Neither read nor written.").decode(b"", 1)


def test_the_example_of_the_table_is_a_request_that_decodes():
    body = bodies.document(**wire.CODECS[bodies.JSON].example)
    message = wire.decode(bodies.JSON, body, bodies.LIMIT_BYTES)
    assert wire.read_options(message.options).function == wire.CODECS[bodies.JSON].example["function"]


@pytest.mark.parametrize("text", [*ALL, "APPLICATION/JSON", "application/json; charset=UTF-8; version=2"])
def test_a_content_type_finds_its_reader_whatever_its_case_and_parameters(text):
    assert wire.reader_for(text).media_type == text.lower().partition(";")[0]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (None, "missing"),
        ("", "missing"),
        ("text/plain", "application/json"),
        ("application/x-www-form-urlencoded", "multipart/form-data"),
        ("application/x-python-serialize", "not read"),
        ("application/octet-stream", "not read"),
        ("application/json, application/x-npy", "not read"),
        ("application/json; charset=latin-1", "utf-8"),
        ("application/json; charset=utf-8; charset=utf-16", "utf-16"),
        ("application/x-npy; charset=utf-7", "utf-8"),
        ("json", "not read"),
        ("application/json\0", "not read"),
    ],
)
def test_other_content_types_are_refused_before_the_body_is_read(text, word):
    with pytest.raises(UnknownFormat, match=word):
        wire.reader_for(text)
    with pytest.raises(UnknownFormat, match=word):
        wire.decode(text, b"", bodies.LIMIT_BYTES)


@pytest.mark.parametrize("accept", [None, "", " ", "*/*", "application/*", "*/*;q=0.1"])
def test_without_a_wish_json_is_answered_in_json_and_binary_in_npy(accept):
    assert chosen(accept) == "application/json"
    assert {chosen(accept, request) for request in BINARY} == {"application/x-npy"}


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/x-npz", "application/x-npz"),
        ("Application/X-NPZ", "application/x-npz"),
        ("application/vnd.safetensors, */*;q=0.1", bodies.SAFETENSORS),
        ("application/json;q=0.2, application/x-npy;q=0.8", "application/x-npy"),
        ("application/x-npy, application/json", "application/x-npy"),
        ("application/*;q=0.9, application/x-npz;q=0.8", "application/json"),
        ("application/*;q=0.1, application/x-npz", "application/x-npz"),
        ("*/*;q=0.1, application/*;q=0.2, application/x-npz;q=0.3", "application/x-npz"),
        ("*/*, application/json;q=0.1", "application/x-npy"),
        ("application/json;q=0, */*", "application/x-npy"),
        ("*/*, application/json;q=0", "application/x-npy"),
        ("application/json;q=NaN, application/x-npz;q=0.1", "application/x-npz"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "application/json"),
        ("image/png, application/x-npy; profile=x", "application/x-npy"),
    ],
)
def test_accept_is_weighed_by_quality_then_by_how_specific_it_is(accept, expected):
    assert chosen(accept) == expected


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "multipart/form-data",
        "application/json;q=0",
        "*/*;q=0",
        "application/json;q=NaN",
        "json",
        ",,",
    ],
)
def test_an_answer_that_nobody_writes_is_refused_with_those_that_are(accept):
    with pytest.raises(NotAcceptable, match="application/x-npy"):
        wire.negotiate(accept, bodies.JSON)


def test_ten_thousand_entries_of_accept_are_weighed_in_no_time():
    start = time.perf_counter()
    with pytest.raises(NotAcceptable):
        wire.negotiate(",".join(["text/x;q=0.5"] * 10_000), bodies.JSON)
    assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize("label", bodies.valid(np.ones(3)))
def test_a_body_is_read_up_to_the_limit_and_not_a_byte_beyond(label):
    body = bodies.valid(np.ones(3))[label]
    assert wire.decode(label, body, max(len(body), 64)).arrays["x1"].shape == (3,)
    with pytest.raises(BodyTooLarge) as caught:
        wire.decode(label, body, len(body) - 1)
    assert caught.value.fields["allowed_bytes"] == len(body) - 1


@pytest.mark.parametrize("label", bodies.valid(np.ones(3)))
def test_an_empty_body_is_refused(label):
    with pytest.raises(DecodeError, match="empty"):
        wire.decode(label, b"", bodies.LIMIT_BYTES)


@pytest.mark.parametrize(
    ("label", "body"),
    [
        (bodies.JSON, bodies.document(x2=[1.0])),
        (bodies.JSON, b"{}"),
        (bodies.FORM, bodies.form_of(x2=np.ones(2))),
        (bodies.FORM, b"--edge--\r\n"),
        (bodies.NPZ, bodies.npz(x2=np.ones(2))),
        (bodies.NPZ, bodies.npz()),
        (bodies.SAFETENSORS, bodies.safetensors(x2=np.ones(2))),
        (bodies.SAFETENSORS, bodies.safetensors()),
    ],
)
def test_a_body_without_x1_is_refused(label, body):
    with pytest.raises(DecodeError, match="x1 is missing"):
        wire.decode(label, body, bodies.LIMIT_BYTES)


@pytest.mark.parametrize(
    ("label", "body"),
    [
        (bodies.JSON, bodies.document(x1={"a": [1], "b": {"c.d": 2}}, x2=[[1], {"e": 1}])),
        (bodies.JSON, bodies.document(**{"x1.a": [1], "x1.b.[c.d]": 2, "x2.0": [1], "x2.1.e": 1})),
        (
            bodies.NPZ,
            bodies.npz(
                **{"x1.a": np.ones(1), "x1.b.[c.d]": np.ones(1), "x2.0": np.ones(1), "x2.1.e": np.ones(1)}
            ),
        ),
        (
            bodies.SAFETENSORS,
            bodies.safetensors(
                **{"x1.a": np.ones(1), "x1.b.[c.d]": np.ones(1), "x2.0": np.ones(1), "x2.1.e": np.ones(1)}
            ),
        ),
    ],
)
def test_parts_of_inputs_have_the_same_dotted_names_in_every_format(label, body):
    message = wire.decode(label, body, bodies.LIMIT_BYTES)
    assert sorted(message.arrays) == ["x1.a", "x1.b.[c.d]", "x2.0", "x2.1.e"]
