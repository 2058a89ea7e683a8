"""Bytes -> Message, Answer -> bytes. One file per format, ``CODECS`` the only list.

Knows no JAX, no HTTP framework and no function: what it cannot know, it leaves in the Message.
"""

from app.wire.codec import Codec, Frame
from app.wire.codecs import CODECS, decode, negotiate, reader_for
from app.wire.encodings import ENCODINGS, Encoding, encoding_of
from app.wire.expansion import Expansion
from app.wire.options import OPTIONS, Option, Options, read_options
from app.wire.packing import Packing, packing_of

__all__ = [
    "CODECS",
    "ENCODINGS",
    "OPTIONS",
    "Codec",
    "Encoding",
    "Expansion",
    "Frame",
    "Option",
    "Options",
    "Packing",
    "decode",
    "encoding_of",
    "negotiate",
    "packing_of",
    "read_options",
    "reader_for",
]
