"""One coding is read, and which, Content-Encoding says."""

import pytest

from app.errors import UnknownEncoding
from app.wire import encoding_of


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        (" Identity , ,", None),
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("x-gzip", "gzip"),
        ("zstd", "zstd"),
        ("identity, zstd", "zstd"),
    ],
)
def test_one_coding_is_read(header: str | None, name: str | None) -> None:
    found = encoding_of(header)
    assert (found and found.name) == name


@pytest.mark.parametrize(
    "header",
    [
        "br",
        "deflate",
        "compress",
        "gzip, zstd",
        "gzip, gzip",
        "zstd,gzip",
        "gzip;q=1",
        "*",
        "ÿ",
        "gzip," * 999,
    ],
)
def test_other_codings_and_several_are_refused(header: str) -> None:
    with pytest.raises(UnknownEncoding, match="send one of zstd, gzip, once, or identity") as caught:
        encoding_of(header)
    assert len(caught.value.detail) < 200
    assert caught.value.code == "unknown_format"
