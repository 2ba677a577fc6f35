"""PNG files that state their colour space.

W3C "Portable Network Graphics (PNG) Specification (Third Edition)" (2025): chunks cICP (11.3.2.6),
iCCP (11.3.2.3), sRGB (11.3.2.5) and eXIf (11.3.4.6).
"""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np

from isp.colour.colour_space import ColourSpace
from isp.colour.icc_profile import icc_profile
from isp.raw_frame import RawFrame
from isp.writers.exif import exif_block, exif_fields, main_fields, size_fields

_AFTER_HEADER = 8 + 25
"""Length of the signature and the IHDR chunk."""
_CODING_POINTS = {ColourSpace.DISPLAY_P3: bytes((12, 13, 0, 1)), ColourSpace.LINEAR: bytes((1, 8, 0, 1))}
"""cICP: primaries, transfer, matrix and range by ITU-T H.273."""


def png_parts(
    rgb: np.ndarray, space: ColourSpace, frame: RawFrame, *, compression: int
) -> tuple[bytes | memoryview, ...]:
    """The bytes of a PNG of uint8 or uint16 RGB [H, W, 3], in parts. frame: the capture, for the
    metadata. compression: zlib's level, 0 to 9."""
    _, encoded = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, compression])
    stream = encoded.data.cast("B")
    if space is ColourSpace.SRGB:
        colour = _chunk(b"sRGB", b"\0")  # perceptual intent
    else:
        profile = space.display_name.encode("latin-1") + b"\0\0" + zlib.compress(icc_profile(space))
        colour = _chunk(b"cICP", _CODING_POINTS[space]) + _chunk(b"iCCP", profile)
    exif = exif_block(main_fields(frame), (*exif_fields(frame, space), *size_fields(*rgb.shape[:2])))
    return stream[:_AFTER_HEADER], colour + _chunk(b"eXIf", exif), stream[_AFTER_HEADER:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
