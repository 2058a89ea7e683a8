"""Options: one list, the same for bodies, forms and queries."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import wire
from app.errors import InvalidOption
from app.wire import Options, read_options
from tests.wire import bodies


def test_what_is_left_out_has_its_default():
    assert read_options({"function": "f"}) == Options("f", None, "auto", "highest", None, "lists")


def test_options_of_the_body_and_of_the_query_are_one_set():
    query = [("wrt", "params"), ("deadline_seconds", "2.5"), ("precision", "high")]
    body = {"function": "f@1", "algorithm": "forward", "arrays": "base64"}
    assert read_options(body, query) == Options("f@1", "params", "forward", "high", 2.5, "base64")


def test_a_whole_number_is_one_however_it_is_written():
    for text in ("5", "5.0", "+5", "0.5e1"):
        found = read_options({}, [("function", "f"), ("verify", text), ("verify_tolerance", "64")])
        assert (found.verify, type(found.verify), found.verify_tolerance) == (5, int, 64.0)
    assert read_options({"function": "f", "verify": 5.0}).verify == 5


def test_an_option_means_the_same_in_json_in_a_form_and_in_the_query():
    in_json = wire.decode(bodies.JSON, bodies.document(x1=1, deadline_seconds=60), bodies.LIMIT_BYTES).options
    parts = (bodies.part("function", "f"), bodies.part("deadline_seconds", "60"))
    form = bodies.form(*parts, bodies.part("x1", bodies.npy(np.ones(1)), "a.npy"))
    in_form = wire.decode(bodies.FORM, form, bodies.LIMIT_BYTES).options
    in_query = read_options({}, [("function", "f"), ("deadline_seconds", "60")])
    assert read_options(in_json) == read_options(in_form) == in_query


@pytest.mark.parametrize(
    ("options", "query", "word"),
    [
        ({}, [], "'function' is missing"),
        ({"function": "f"}, [("function", "f")], "given twice"),
        ({}, [("function", "f"), ("wrt", "x"), ("wrt", "x")], "'wrt' is given twice"),
        ({"function": "f", "wtr": "x"}, [], "wrt"),
        ({"function": "f"}, [("colour", "red")], "'colour' is not known"),
        ({"function": "f"}, [("", "")], "not known"),
        ({"function": "f"}, [("x1", "[1]")], "body"),
        ({"function": ""}, [], "not empty"),
        ({"function": " "}, [], "not empty"),
        ({"function": 1}, [], "text"),
        ({"function": True}, [], "text"),
        ({"function": "f"}, [("wrt", "")], "not empty"),
        ({"function": "f"}, [("precision", "low")], "highest, high, default"),
        ({"function": "f", "precision": "HIGH"}, [], "highest, high, default"),
        ({"function": "f", "arrays": "npy"}, [], "lists, base64"),
        ({"function": "f", "arrays": True}, [], "lists, base64"),
        *(
            ({"function": "f", "deadline_seconds": value}, [], "above 0 and at most 86400")
            for value in (0, -1, -0.0, 86_400.1, 10**19, True, "5", float("inf"), float("nan"))
        ),
        ({"function": "f", "verify_tolerance": 1}, [], "without 'verify'"),
        *(
            ({"function": "f", "verify": 1}, [("verify_tolerance", text)], "a number above 0")
            for text in ("0", "-1", "nan", "1e400", "")
        ),
        *(
            ({"function": "f", "verify": value}, [], "a whole number above 0 and at most 4096")
            for value in (0, -1, 0.5, 4097, 10**19, True, "5", float("inf"))
        ),
        *(
            ({"function": "f"}, [("verify", text)], "a whole number above 0 and at most 4096")
            for text in ("0", "1.5", "4097", "all", "")
        ),
        *(
            ({"function": "f"}, [("deadline_seconds", text)], "above 0 and at most 86400")
            for text in (
                "0",
                "-1",
                "1e400",
                "nan",
                "inf",
                "",
                " 5",
                "5 ",
                "1_0",
                "0x5",
                "five",
                "٥",
                "1e-400",
            )
        ),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_what_could(options, query, word):
    with pytest.raises(InvalidOption, match=word) as caught:
        read_options(options, query)
    assert caught.value.code == "decode_error"


@pytest.mark.parametrize("text", ["86400", "1e-3", ".5", "5.", "+1"])
def test_deadlines_within_the_range_are_read(text):
    assert read_options({"function": "f"}, [("deadline_seconds", text)]).deadline_seconds == float(text)


def test_the_schemas_allow_what_is_read_and_no_more_names():
    assert set(wire.OPTIONS) == set(Options.__dataclass_fields__)
    for name in wire.OPTIONS:
        assert name in wire.CODECS[bodies.JSON].schema["properties"]
        assert name in wire.CODECS["multipart/form-data"].schema["properties"]


@given(
    st.dictionaries(
        st.sampled_from([*wire.OPTIONS, "x1", "?"]), st.text() | st.integers() | st.floats() | st.booleans()
    ),
    st.lists(st.tuples(st.sampled_from([*wire.OPTIONS, "x2", ""]), st.text())),
)
def test_any_options_are_read_or_refused(options, query):
    with contextlib.suppress(InvalidOption):
        assert isinstance(read_options(options, query), Options)
