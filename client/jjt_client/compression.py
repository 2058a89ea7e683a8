"""Bodies -> the same, compressed, and what answers may be. Needs ``zstandard`` for zstd, as httpx does."""

import importlib.util
import zlib
from typing import Literal

Coding = Literal["gzip", "zstd"]
LEVEL = 1  # of both: higher ones take much longer for little


def require(coding: str | None) -> None:
    """Refuse a coding that cannot be used here.

    Raises:
        ValueError: for one that is not known.
        ImportError: for zstd without the package that does it, for which there is an extra.
    """
    if coding not in (None, "gzip", "zstd"):
        raise ValueError(f"compress is {coding!r}, expected 'gzip', 'zstd' or None")
    if coding == "zstd" and importlib.util.find_spec("zstandard") is None:
        raise ImportError("compress='zstd' needs the package zstandard: pip install 'jjt-client[zstd]'")


def compressed(body: bytes, coding: Coding) -> bytes:
    """A body in a coding."""
    if coding == "gzip":
        return zlib.compress(body, LEVEL, wbits=31)
    import zstandard  # noqa: PLC0415 - an extra

    return zstandard.ZstdCompressor(LEVEL).compress(body)


def headers_of(coding: Coding | None) -> dict[str, str]:
    """What is said of a body and of its answer; plain ones are named, else httpx would take others too."""
    if coding is None:
        return {"Accept-Encoding": "identity"}
    return {"Content-Encoding": coding, "Accept-Encoding": f"{coding}, identity;q=0.5"}
