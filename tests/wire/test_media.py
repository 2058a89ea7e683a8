"""Content-Type and Accept are read as RFC 9110 writes them."""

import pytest

from app.wire.media import parse_accept, parse_content_type


@pytest.mark.parametrize(
    ("text", "media_type", "parameters"),
    [
        ("application/json", "application/json", ()),
        ("  Application/JSON ; Charset=UTF-8", "application/json", (("charset", "UTF-8"),)),
        ('a/b;boundary="x;y, z"', "a/b", (("boundary", "x;y, z"),)),
        (r'a/b; q="\"1\\"', "a/b", (("q", '"1\\'),)),
        ("a/b; c=", "a/b", (("c", ""),)),
        ("a/b;;c=d;", "a/b", (("c", "d"),)),
        ("a/b; c=1; c=2", "a/b", (("c", "1"), ("c", "2"))),
    ],
)
def test_a_content_type_has_a_type_in_lower_case_and_parameters(text, media_type, parameters):
    parsed = parse_content_type(text)
    assert parsed is not None
    assert (parsed.media_type, parsed.parameters) == (media_type, parameters)


@pytest.mark.parametrize(
    "text", ["", "json", "a/", "/b", "a/b c", "a/b, c/d", 'a/b; c="d', "a/b; =d", "a/b\0"]
)
def test_text_that_is_no_content_type_is_none(text):
    assert parse_content_type(text) is None


def test_entries_of_accept_keep_their_order_and_quality():
    ranges = parse_accept('a/b;q=0.5, c/*, */* ; q=0.125, d/e;x="1,2";q=1.000')
    assert [(entry.pattern, entry.quality) for entry in ranges] == [
        ("a/b", 0.5),
        ("c/*", 1.0),
        ("*/*", 0.125),
        ("d/e", 1.0),
    ]


@pytest.mark.parametrize("q", ["NaN", "inf", "-1", "1.1", "2", "1e0", "0.1234", "", ".5", "0x1", "1;q=1"])
def test_an_entry_with_a_malformed_quality_is_dropped(q):
    assert [entry.pattern for entry in parse_accept(f"a/b;q={q}, c/d") if entry.pattern == "a/b"] == []
