"""Links within the repository lead somewhere; no page of docs is out of reach."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, documents, tokens


def _links(page: Path) -> list[str]:
    targets = []
    for token in tokens(page):
        for child in token.children or []:
            target = child.attrGet("href") or child.attrGet("src")
            if isinstance(target, str) and not re.match(r"[a-z]+:", target):
                targets.append(target)
    return targets


def _anchors(page: Path) -> set[str]:
    headings = [
        following.content for token, following in pairwise(tokens(page)) if token.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", documents(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in _links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link} leads nowhere"
        if anchor and target.suffix == ".md":
            assert anchor in _anchors(target), (
                f"{page.name}: {link} names no heading of {path or 'this page'}"
            )


def test_every_page_of_docs_is_linked_from_another() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve() for page in documents() for link in _links(page)
    }
    unreachable = set((ROOT / "docs").rglob("*.md")) - linked
    assert not unreachable
