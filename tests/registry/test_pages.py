"""The pages about the functions say the numbers that their script made, and show the pictures."""

import json
import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "functions"
NUMBERS = json.loads((PAGES / "numbers.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NUMBERS)
def test_a_page_says_every_number_that_was_made_for_it(name: str):
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8").replace("−", "-")
    assert [value for value in NUMBERS[name].values() if value not in text] == []


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_a_page_shows_pictures_that_are_there(page: Path):
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    assert [picture for picture in shown if not (PAGES / picture).is_file()] == []


def test_every_picture_is_shown():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES.glob("*.md"))
    assert [picture.name for picture in PAGES.glob("*.svg") if picture.name not in text] == []
