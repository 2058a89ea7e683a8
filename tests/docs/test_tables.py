"""Tables in the pages say what the code says."""

import re
from pathlib import Path

import pytest

from app.api.failures import CODES, STATUS
from app.engine import ALGORITHMS
from app.settings import Settings
from app.wire import CODECS, ENCODINGS, OPTIONS
from tests.docs.blocks import ROOT, table_rows

README = ROOT / "README.md"


def _as_typed(value: object) -> str:
    """A setting's value as one writes it in a variable."""
    match value:
        case None:
            return "–"
        case bool():
            return f"`{str(value).lower()}`"
        case tuple():
            return f"`{':'.join(map(str, value))}`"
        case _:
            return f"`{value}`"


def test_readme_lists_every_setting_with_its_default_and_its_meaning() -> None:
    said = table_rows(README, "variable")
    assert said == [
        [f"`JJT_{name.upper()}`", _as_typed(field.default), field.description or ""]
        for name, field in Settings.model_fields.items()
    ]


@pytest.mark.parametrize("page", [README, ROOT / "docs" / "errors.md"], ids=lambda page: page.name)
def test_page_lists_every_error_with_its_status(page: Path) -> None:
    said = [(int(status), code.strip("`")) for status, code, _ in table_rows(page, "status")]
    known = {(status, kind.code) for kind, status in STATUS.items()} | set(CODES.items())
    assert sorted(said) == sorted(known)
    assert [status for status, _ in said] == sorted(status for status, _ in said), "not in order of status"


def test_readme_lists_every_algorithm() -> None:
    assert [row[0].strip("`") for row in table_rows(README, "algorithm")] == [
        algorithm.name for algorithm in ALGORITHMS
    ]


def test_formats_page_lists_what_is_read_and_written() -> None:
    page = ROOT / "docs" / "formats.md"
    read = {row[0].strip("`") for row in table_rows(page, "`Content-Type`")}
    written = {row[0].strip("`") for row in table_rows(page, "`Accept`")}
    compressed = {row[0].strip("`") for row in table_rows(page, "`Content-Encoding`")}
    assert compressed == set(ENCODINGS)
    assert read == {codec.media_type for codec in CODECS.values() if codec.reads}
    assert written == {codec.media_type for codec in CODECS.values() if codec.writes}


def test_formats_page_lists_every_option() -> None:
    rows = table_rows(ROOT / "docs" / "formats.md", "option")
    assert sorted(row[0].strip("`") for row in rows) == sorted(OPTIONS)


def test_errors_module_draws_every_class_of_its_tree() -> None:
    from app import errors

    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    classes = {
        name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)
    }
    assert {"JJTError", *drawn} == classes
