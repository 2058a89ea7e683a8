"""Bytes -> Message, Answer -> bytes. One file per format, ``CODECS`` the only list.

Knows no JAX, no HTTP framework and no function: what it cannot know, it leaves in the Message.
"""

from app.wire.codec import Codec, Frame
from app.wire.codecs import CODECS, decode, negotiate, reader_for
from app.wire.options import OPTIONS, Option, Options, read_options

__all__ = [
    "CODECS",
    "OPTIONS",
    "Codec",
    "Frame",
    "Option",
    "Options",
    "decode",
    "negotiate",
    "read_options",
    "reader_for",
]
