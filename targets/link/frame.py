"""Frames: COBS(header, payload, CRC-32 of both) and a zero; and what else comes over a console's cable.

The CRC is that of zlib and Ethernet. No byte of a frame but its last is zero, so that after any fault the next zero
sets the receiver right again. Firmware prints on the same port: what lies between frames is kept as its text.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from targets.link import cobs

MAGIC = 0xD7
VERSION = 1
HEADER = struct.Struct("<BBBBHHI")
_CRC = struct.Struct("<I")
OVERHEAD_BYTES = HEADER.size + _CRC.size
MOST_PAYLOAD_BYTES = 0xFFFF
# Decoded, encoded, and as much text before it as a board may print before its first zero.
_MOST_PENDING_BYTES = 2 * MOST_PAYLOAD_BYTES


@dataclass(frozen=True)
class Frame:
    """One request or reply."""

    op: int
    session_or_status: int
    """A request's session, a reply's status."""
    sequence: int
    arg: int
    payload: bytes = b""
    version: int = VERSION

    def encode(self) -> bytes:
        """As on the wire, with its zero."""
        header = HEADER.pack(
            MAGIC, self.version, self.op, self.session_or_status, self.sequence, len(self.payload), self.arg
        )
        content = header + self.payload
        return cobs.encode(content + _CRC.pack(zlib.crc32(content))) + b"\0"


def wire_bytes(payload_bytes: int) -> int:
    """Bytes that a frame takes on the wire, at most."""
    content = OVERHEAD_BYTES + payload_bytes
    return content + content // 254 + 2


def parse(encoded: bytes) -> Frame | None:
    """The frame in the bytes before a zero, of whatever version; None if they are no frame."""
    try:
        content = cobs.decode(encoded)
    except cobs.CobsError:
        return None
    if len(content) < OVERHEAD_BYTES or content[0] != MAGIC:
        return None
    _, version, op, session_or_status, sequence, payload_bytes, arg = HEADER.unpack_from(content)
    end = len(content) - _CRC.size
    if payload_bytes != end - HEADER.size or _CRC.unpack_from(content, end)[0] != zlib.crc32(content[:end]):
        return None
    return Frame(op, session_or_status, sequence, arg, content[HEADER.size : end], version)


@dataclass(frozen=True)
class Debris:
    """Bytes that are no frame: printed text, a frame that was hurt, or both."""

    data: bytes


class FrameDecoder:
    """Takes bytes as they come, in pieces of any size."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame | Debris]:
        """What the bytes complete, in the order of arrival. To be used up before it is called again."""
        self._pending += data
        while (end := self._pending.find(0)) >= 0:
            piece = bytes(self._pending[:end])
            del self._pending[: end + 1]
            if piece:
                yield from _frame_and_text(piece)
        if len(self._pending) > _MOST_PENDING_BYTES:
            yield from self.flush()

    def flush(self) -> Iterator[Debris]:
        """The bytes that are kept, as debris: nothing has followed them for so long that no frame is under way."""
        if self._pending:
            debris = Debris(bytes(self._pending))
            self._pending.clear()
            yield debris

    def reset(self) -> None:
        """Forgets what is kept: the connection is another one."""
        self._pending.clear()


def _frame_and_text(piece: bytes) -> Iterator[Frame | Debris]:
    # A board prints before a frame without telling, so a frame may begin anywhere: a byte before its magic.
    magic = piece.find(MAGIC, 1)
    while magic > 0:
        frame = parse(piece[magic - 1 :])
        if frame:
            if magic > 1:
                yield Debris(piece[: magic - 1])
            yield frame
            return
        magic = piece.find(MAGIC, magic + 1)
    yield Debris(piece)
