"""The link's frames, written a second time for the tests: from the description, not from the sources."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

HEADER = struct.Struct("<BBBBHHI")
REPLY = 0x80
HELLO, BYE, DESCRIBE, OPEN, WRITE, QUERY, COMMIT, RUN, READ, STATS, ECHO, RESET, BAUD = range(1, 14)
OK, BUSY, BAD_OP, BAD_ARGUMENT, BAD_STATE, BAD_CRC, NO_MEMORY, MISSING = range(8)
RUN_FAILED, TAKEN, UNSUPPORTED, BAD_VERSION = range(8, 12)


@dataclass(frozen=True)
class Frame:
    op: int
    session_or_status: int
    sequence: int
    argument: int
    payload: bytes = b""
    version: int = 1

    @property
    def content(self) -> bytes:
        """Before it is stuffed."""
        header = HEADER.pack(
            *(0xD7, self.version, self.op, self.session_or_status, self.sequence, len(self.payload), self.argument)
        )
        return with_crc(header + self.payload)

    @property
    def encoded(self) -> bytes:
        return stuffed(self.content)


def with_crc(data: bytes) -> bytes:
    return data + struct.pack("<I", zlib.crc32(data))


def stuffed(data: bytes) -> bytes:
    """COBS, and the zero."""
    out = bytearray()
    for part in data.split(b"\0"):
        while len(part) >= 254:
            out += b"\xff" + part[:254]
            part = part[254:]
        out += bytes([len(part) + 1]) + part
    return bytes(out) + b"\0"


def unstuffed(data: bytes) -> bytes:
    """Of what comes before a zero; ValueError where it isn't COBS."""
    out = bytearray()
    at = 0
    while at < len(data):
        length = data[at]
        block = data[at + 1 : at + length]
        if len(block) != length - 1:
            raise ValueError("cut short")
        out += block
        at += length
        if length < 255 and at < len(data):
            out.append(0)
    return bytes(out)


def frame_of(content: bytes) -> Frame:
    """Of unstuffed bytes; ValueError where they are none."""
    if len(content) < 16 or content[0] != 0xD7 or with_crc(content[:-4]) != content:
        raise ValueError("no frame")
    _, version, op, status, sequence, count, argument = HEADER.unpack_from(content)
    if count != len(content) - 16:
        raise ValueError("another length")
    return Frame(op, status, sequence, argument, content[12:-4], version)


def frames_of(data: bytes) -> list[Frame]:
    """Of bytes that are good frames, all of them; else ValueError."""
    *pieces, rest = data.split(b"\0")
    if rest:
        raise ValueError("an unfinished frame")
    return [frame_of(unstuffed(piece)) for piece in pieces]
