"""A frame → the frame that makes it a zip archive of one stored member. Knows no arrays.

The member's sizes are known before its data, its CRC-32 only after it: that stands in a descriptor behind
the data, as the format allows, and in the directory, where readers look. Written here, and not by
``zipfile``, because that one says neither the total nor the head before it has seen the data.
"""

import struct
import zlib
from functools import partial
from typing import NamedTuple

from app.wire.codec import Frame

LOCAL = struct.Struct("<4s5H3L2H")  # mark, version, flags, method, time, date, CRC, sizes, lengths
DESCRIPTOR, DESCRIPTOR64 = struct.Struct("<4s3L"), struct.Struct("<4sL2Q")  # mark, CRC, sizes
CENTRAL = struct.Struct("<4s6H3L5H2L")  # the same with versions, disk, attributes, offset
EXTRA64 = struct.Struct("<2H2Q")  # kind, length, sizes
END64 = struct.Struct("<4sQ2H2L4Q")  # mark, length, versions, disks, counts, size, offset
LOCATOR = struct.Struct("<4sLQL")  # mark, disk, offset of END64, disks
END = struct.Struct("<4s4H2LH")  # end of central directory: mark, disks, counts, size, offset, comment
END_MARK, LOCATOR_MARK = b"PK\x05\x06", b"PK\x06\x07"
FULL, FULL_COUNT = 0xFFFFFFFF, 0xFFFF  # in a field of 32 or 16 bits: look for the long form
CRC_FOLLOWS = 1 << 3
UNIX, READABLE = 3 << 8, 0o600 << 16
FIRST_DAY = 1 << 5 | 1  # 1980-01-01, so that equal arrays are equal archives


class _Member(NamedTuple):
    name: bytes
    size: int
    long: bool  # whether sizes and offsets take 64 bits

    @property
    def version(self) -> int:
        return 45 if self.long else 20

    @property
    def sizes(self) -> tuple[int, int]:
        return (FULL, FULL) if self.long else (self.size, self.size)

    @property
    def extra(self) -> bytes:
        return EXTRA64.pack(1, EXTRA64.size - 4, self.size, self.size) if self.long else b""

    def local(self) -> bytes:
        """What stands before the member."""
        lengths = len(self.name), len(self.extra)
        fields = self.version, CRC_FOLLOWS, 0, 0, FIRST_DAY, 0, *self.sizes, *lengths
        return LOCAL.pack(b"PK\x03\x04", *fields) + self.name + self.extra

    def closing(self, check: int) -> bytes:
        """What stands behind the member: its descriptor, the directory, the directory's end."""
        shape = DESCRIPTOR64 if self.long else DESCRIPTOR
        descriptor = shape.pack(b"PK\x07\x08", check, self.size, self.size)
        versions, lengths = (UNIX | self.version, self.version), (len(self.name), len(self.extra), 0)
        fields = *versions, CRC_FOLLOWS, 0, 0, FIRST_DAY, check, *self.sizes, *lengths, 0, 0, READABLE, 0
        directory = CENTRAL.pack(b"PK\x01\x02", *fields) + self.name + self.extra
        start = len(self.local()) + self.size + len(descriptor)
        return descriptor + directory + self._end(start, len(directory))

    def _end(self, start: int, length: int) -> bytes:
        if not self.long:
            return END.pack(END_MARK, 0, 0, 1, 1, length, start, 0)
        end64 = END64.pack(b"PK\x06\x06", END64.size - 12, UNIX | 45, 45, 0, 0, 1, 1, length, start)
        locator = LOCATOR.pack(LOCATOR_MARK, 0, start + length, 1)
        return end64 + locator + END.pack(END_MARK, 0, 0, FULL_COUNT, FULL_COUNT, FULL, FULL, 0)


def zip_frame(name: str, inner: Frame) -> Frame:
    """The archive of one file.

    Args:
        name: of the member, in ASCII.
        inner: frame of the file, without a tail.
    """
    member = _Member(name.encode("ascii"), inner.total_bytes, long=False)
    if _total(member) >= FULL:
        member = member._replace(long=True)
    return Frame(
        member.local() + inner.head, _total(member), zlib.crc32(inner.head), partial(_Member.closing, member)
    )


def _total(member: _Member) -> int:
    short = member._replace(size=0)  # the lengths around it do not depend on the size, but for the form
    return len(short.local()) + member.size + len(short.closing(0))
