"""JPEG files with EXIF and an ICC profile.

ITU-T T.81 (JPEG), ITU-T T.871 (JFIF), CIPA DC-008 (EXIF in APP1), ICC.1:2010 annex B.4 (profile in
APP2).
"""

from __future__ import annotations

import struct

import cv2
import numpy as np

from isp.colour.colour_space import ColourSpace
from isp.colour.icc_profile import icc_profile
from isp.dng.tags import TiffType
from isp.errors import ConfigError
from isp.raw_frame import RawFrame
from isp.writers.exif import exif_block, exif_fields, main_fields, size_fields
from isp.writers.tiff_ifd import Field, numbers

_LARGEST_SIDE_PX = 65500
"""libjpeg's limit, a little below the format's."""
_APP1 = b"\xff\xe1"
_APP2 = b"\xff\xe2"
_YCBCR = Field(37121, TiffType.UNDEFINED, bytes((1, 2, 3, 0)))
"""EXIF's ComponentsConfiguration: luminance, then the two colour differences."""
_CENTRED = numbers(531, TiffType.SHORT, 1)
"""YCbCrPositioning, which EXIF asks of every JPEG."""


def jpeg_parts(rgb: np.ndarray, space: ColourSpace, frame: RawFrame, *, quality: int) -> tuple[bytes | memoryview, ...]:
    """The bytes of a JPEG of uint8 RGB [H, W, 3], in parts. Colour is kept at full resolution
    (4:4:4), for fine coloured detail is what this pipeline cares for. quality: libjpeg's, 1 to 100.
    frame: the capture, for the metadata. Raises ConfigError for a picture too large for a JPEG."""
    if max(rgb.shape[:2]) > _LARGEST_SIDE_PX:
        raise ConfigError(
            f"a JPEG cannot hold {rgb.shape[1]} x {rgb.shape[0]} pixels",
            expected=f"at most {_LARGEST_SIDE_PX} on a side",
            remedy="write PNG or TIFF",
        )
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    stream = encoded.data.cast("B")
    # After the start marker and the JFIF segment, which must come first.
    (jfif_bytes,) = struct.unpack(">H", stream[4:6])
    at = 4 + jfif_bytes
    main = (*main_fields(frame), _CENTRED)
    exif = exif_block(main, (*exif_fields(frame, space), *size_fields(*rgb.shape[:2]), _YCBCR))
    profile = _segment(_APP2, b"ICC_PROFILE\0\1\1" + icc_profile(space))  # part 1 of 1
    return stream[:at], _segment(_APP1, b"Exif\0\0" + exif), profile, stream[at:]


def _segment(marker: bytes, data: bytes) -> bytes:
    return marker + struct.pack(">H", 2 + len(data)) + data
