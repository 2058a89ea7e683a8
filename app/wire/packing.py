"""Accept-Encoding, and the answer -> whether it is compressed, and how."""

from dataclasses import dataclass
from functools import lru_cache

from app.errors import NotAcceptable
from app.wire.encodings import ALIASES, ENCODINGS, IDENTITY, ZSTD, Encoding
from app.wire.media import parse_codings
from app.wire.names import shown

LEAST_BYTES = 1 << 10  # of an answer: less fits into one packet as it is
PROBE_BYTES = 16 << 10
WORTH = 0.8  # of its size, at most, that compressing should leave


@dataclass(frozen=True)
class Packing:
    """How an answer is compressed.

    Args:
        encoding: of it.
        wanted: whether that was put above the plain answer, so that it is done for little too.
    """

    encoding: Encoding
    wanted: bool

    def pays(self, content: bytes | memoryview) -> bool:
        """Whether it is done for an answer, or for one of which this is the first part.

        Not for mantissas that are as good as random: those shrink by less than their compressing costs.
        """
        if self.wanted:
            return True
        probe = content[:PROBE_BYTES]
        return len(content) >= LEAST_BYTES and len(ZSTD.compress(probe)) <= WORTH * len(probe)

    def pack(self, content: bytes) -> bytes | None:
        """A whole answer, compressed; None where that does not pay."""
        return self.encoding.compress(content) if self.pays(content) else None


@lru_cache(maxsize=64)
def packing_of(accept_encoding: str | None) -> Packing | None:
    """How an answer may be compressed; None where it goes out as it is.

    The highest quality wins, then the order of ``ENCODINGS``; a coding wins over the plain answer unless that
    has the higher quality. Without the header, and where nothing fits, answers are plain: RFC 9110, 12.5.3.

    Args:
        accept_encoding: the header's value, or None where it is missing.

    Raises:
        NotAcceptable: where the plain answer is refused (``identity;q=0``), and all else that is written.
    """
    if accept_encoding is None:
        return None
    qualities = parse_codings(accept_encoding)
    qualities = {ALIASES.get(name, name): quality for name, quality in qualities.items()}
    rest = qualities.get("*")
    plain = qualities.get(IDENTITY, rest)
    ranked = [
        (-quality, place, name)
        for place, name in enumerate(ENCODINGS)
        if (quality := qualities.get(name, rest or 0.0)) > 0
    ]
    if not ranked:
        if plain == 0:
            raise NotAcceptable(
                f"Accept-Encoding {shown(accept_encoding)} takes nothing that is written; accept "
                f"{IDENTITY}, or one of {', '.join(ENCODINGS)}"
            )
        return None
    quality, _, name = min(ranked)
    if plain is not None and plain > -quality:
        return None
    return Packing(ENCODINGS[name], wanted=plain is not None and plain < -quality)
