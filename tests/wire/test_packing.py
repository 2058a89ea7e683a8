"""Answers are packed as Accept-Encoding ranks it, where that pays."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import NotAcceptable
from app.wire import Encoding, packing_of
from app.wire.expansion import expanded
from app.wire.packing import LEAST_BYTES, PROBE_BYTES
from tests.wire.test_expansion import TEXT, both


@pytest.mark.parametrize(
    ("header", "name", "wanted"),
    [
        (None, None, False),
        ("", None, False),
        ("gzip", "gzip", False),
        ("gzip, deflate", "gzip", False),
        ("gzip, deflate, br, zstd", "zstd", False),
        ("zstd;q=0.5, gzip", "gzip", False),
        ("x-gzip", "gzip", False),
        ("*", "zstd", False),
        ("zstd;q=0, *", "gzip", False),
        ("gzip, identity", "gzip", False),
        ("gzip;q=0.5, identity", None, False),
        ("gzip;q=0.5, *", "zstd", False),
        ("gzip, identity;q=0.5", "gzip", True),
        ("gzip, identity;q=0", "gzip", True),
        ("gzip, *;q=0", "gzip", True),
        ("br", None, False),
        ("gzip;q=0", None, False),
        ("gzip;q=0.000", None, False),
        ("gzip;q=2", None, False),
        ("gzip;q=", None, False),
        ("gzip;q=NaN", None, False),
        ("identity;q=0.1", None, False),
        ("Gzip ; Q=1.0", "gzip", False),
        (", ".join(["br"] * 2000), None, False),
    ],
)
def test_the_answer_is_packed_as_accept_encoding_ranks_it(header: str | None, name: str | None, wanted: bool):
    found = packing_of(header)
    assert (found and found.encoding.name) == name
    assert bool(found and found.wanted) is wanted


@pytest.mark.parametrize("header", ["identity;q=0", "*;q=0", "br, *;q=0", "gzip;q=0, zstd;q=0, identity;q=0"])
def test_where_nothing_is_acceptable_the_answer_says_so(header: str) -> None:
    with pytest.raises(NotAcceptable, match="accept identity, or one of zstd, gzip"):
        packing_of(header)


QUALITIES = st.sampled_from([0.0, 0.3, 0.7, 1.0])


@given(st.dictionaries(st.sampled_from(["gzip", "zstd", "identity", "br", "*"]), QUALITIES, min_size=1))
def test_no_coding_of_less_quality_than_another_is_chosen(asked: dict[str, float]) -> None:
    def quality(name: str) -> float:
        # What is not named is not acceptable, but for the plain answer.
        return asked.get(name, asked.get("*", 1e-9 if name == "identity" else 0.0))

    best = max(map(quality, ("gzip", "zstd", "identity")))
    header = ", ".join(f"{name};q={value}" for name, value in asked.items())
    if best == 0:
        with pytest.raises(NotAcceptable):
            packing_of(header)
    else:
        found = packing_of(header)
        assert quality(found.encoding.name if found else "identity") == best


@both
def test_text_is_packed_and_noise_is_not_unless_that_is_wanted(encoding: Encoding) -> None:
    offered, wanted = packing_of(encoding.name), packing_of(f"{encoding.name}, identity;q=0.5")
    assert offered
    assert wanted
    text, noise = TEXT * 500, os.urandom(4 * PROBE_BYTES)
    for packing, content in ((offered, text), (wanted, text), (wanted, noise), (wanted, b"")):
        packed = packing.pack(content)
        assert packed is not None
        assert expanded(encoding, packed, len(content)) == content
    assert offered.pack(noise) is None
    assert offered.pack(text[: LEAST_BYTES - 1]) is None
    assert offered.pack(text[:LEAST_BYTES]) is not None
