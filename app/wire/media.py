"""Content-Type, Accept and Accept-Encoding, as text -> what they say. Knows the syntax, and no format."""

import re
from dataclasses import dataclass
from itertools import islice

WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
TYPE = re.compile(rf"\s*({WORD}/{WORD})\s*(?=;|$)")
PARAMETER = re.compile(rf";\s*(?:({WORD})=({WORD}|\"(?:[^\"\\]|\\.)*\"|))?\s*(?=;|$)")
QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
CODING = re.compile(rf"\s*({WORD})\s*(?:;\s*[qQ]\s*=\s*([0-9.]*)\s*)?")
ENTRY = re.compile(r"(?:[^,\"]|\"(?:[^\"\\]|\\.)*\"|\")+")
MAX_ENTRIES = 100  # browsers send ten


@dataclass(frozen=True)
class ContentType:
    """A media type in lower case, and its parameters in the order in which they came."""

    media_type: str
    parameters: tuple[tuple[str, str], ...] = ()

    def values(self, name: str) -> list[str]:
        """All values of a parameter; most often none or one."""
        return [value for key, value in self.parameters if key == name]


def parse_content_type(text: str) -> ContentType | None:
    """The parts of a Content-Type, or None where it is not of the form ``type/subtype; key=value``."""
    start = TYPE.match(text)
    if start is None:
        return None
    position, parameters = start.end(), []
    while position < len(text):
        found = PARAMETER.match(text, position)
        if found is None:
            return None
        if found[1]:
            parameters.append((found[1].lower(), _unquoted(found[2])))
        position = found.end()
    return ContentType(start[1].lower(), tuple(parameters))


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


@dataclass(frozen=True)
class Range:
    """An entry of Accept: ``type/subtype``, ``type/*`` or ``*/*``, its quality, its place in the list."""

    pattern: str
    quality: float
    place: int

    def specificity(self, media_type: str) -> int:
        """2 for the very type, 1 for ``type/*``, 0 for ``*/*``, -1 where it does not match."""
        if self.pattern == media_type:
            return 2
        if self.pattern == f"{media_type.partition('/')[0]}/*":
            return 1
        return 0 if self.pattern == "*/*" else -1


def parse_accept(text: str) -> list[Range]:
    """The first entries of Accept that can be read; one with a malformed q is dropped."""
    ranges = []
    for place, entry in enumerate(islice(ENTRY.finditer(text), MAX_ENTRIES)):
        parsed = parse_content_type(entry[0])
        if parsed is None:
            continue
        qualities = parsed.values("q") or ["1"]
        if len(qualities) == 1 and QUALITY.fullmatch(qualities[0]):
            ranges.append(Range(parsed.media_type, float(qualities[0]), place))
    return ranges


def parse_codings(text: str) -> dict[str, float]:
    """The first entries of Accept-Encoding that can be read: codings in lower case, or ``*``, and their q."""
    qualities: dict[str, float] = {}
    for entry in islice(ENTRY.finditer(text), MAX_ENTRIES):
        found = CODING.fullmatch(entry[0])
        quality = "1" if found is None or found[2] is None else found[2]
        if found is not None and QUALITY.fullmatch(quality):
            qualities.setdefault(found[1].lower(), float(quality))
    return qualities
