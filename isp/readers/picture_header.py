"""Size of a PNG, TIFF or PGM picture from its header, before memory is given to its pixels."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from isp.dng.tags import Tag
from isp.dng.tiff import TiffFile
from isp.errors import InputError

_PNG_HEAD = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_PGM_HEAD = re.compile(rb"P[25](?:\s+|\s*#[^\n]*\n)+(\d{1,9})(?:\s+|\s*#[^\n]*\n)+(\d{1,9})\s")
_HEAD_BYTES = 4096


def picture_size(path: Path) -> tuple[int, int]:
    """(height, width) in pixels. Raises InputError if the file is none of these pictures."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if head.startswith(_PNG_HEAD) and len(head) >= 24:
            width, height = struct.unpack_from(">2I", head, 16)
            return height, width
        if pgm := _PGM_HEAD.match(head):
            return int(pgm[2]), int(pgm[1])
        if head[:2] in (b"II", b"MM"):
            first = TiffFile(path, file).first_directory()
            return first.integer(Tag.ImageLength, 0), first.integer(Tag.ImageWidth, 0)
    raise InputError(f"{path.name} is not a greyscale PNG, TIFF or PGM picture: it starts with {head[:8]!r}")
