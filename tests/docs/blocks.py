"""Markdown in, code blocks out: language, what the fence says beside it, text, place. Runs nothing."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parent.parent.parent
_MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class CodeBlock:
    """A fenced block: ``language`` is the fence's first word, ``note`` the rest of it."""

    path: Path
    line: int
    language: str
    note: str
    text: str

    @property
    def place(self) -> str:
        """Where it stands, as ``README.md:12``."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def documents() -> list[Path]:
    """README, CONTRIBUTING, CHANGELOG and every page of docs and of the client."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("client/*.md")]
    return sorted(pages)


def tokens(path: Path) -> list[Token]:
    """The document as a flat list of Markdown tokens."""
    return _MARKDOWN.parse(path.read_text(encoding="utf-8"))


def code_blocks(path: Path) -> list[CodeBlock]:
    """The fenced blocks of a document, in order."""
    found = []
    for token in tokens(path):
        if token.type != "fence":
            continue
        language, _, note = token.info.strip().partition(" ")
        line = token.map[0] + 1 if token.map else 0
        found.append(CodeBlock(path, line, language, note.strip(), token.content))
    return found


def table_rows(path: Path, first_heading: str) -> list[list[str]]:
    """The rows, as Markdown text per cell, of every table whose first column is headed ``first_heading``."""
    rows: list[list[str]] = []
    wanted = False
    for token, following in pairwise(tokens(path)):
        match token.type:
            case "thead_open":
                wanted = False
            case "th_open" if following.content == first_heading:
                wanted = True
            case "tr_open" if wanted:
                rows.append([])
            case "td_open" if wanted:
                rows[-1].append(following.content)
            case "table_close":
                wanted = False
    return rows
