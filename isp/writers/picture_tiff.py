"""Developed pictures as TIFF files with EXIF and an ICC profile.

TIFF revision 6.0 (Adobe, 1992), section 6 "RGB Full Color Images"; ICC.1:2010 annex B.3 (profile).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isp.colour.colour_space import ColourSpace
from isp.colour.icc_profile import icc_profile
from isp.dng.tags import Tag, TiffType
from isp.raw_frame import RawFrame
from isp.writers.exif import exif_fields, main_fields
from isp.writers.tiff_ifd import Field, Ifd, numbers, write_tiff

_INTER_COLOR_PROFILE = 34675
_PHOTOMETRIC_RGB = 2
_UNSIGNED, _FLOAT = 1, 3


def write_picture_tiff(path: Path, rgb: np.ndarray, space: ColourSpace, frame: RawFrame) -> None:
    """Writes uint8, uint16 or float32 RGB [H, W, 3], uncompressed, in one step."""
    sample_format = _FLOAT if rgb.dtype.kind == "f" else _UNSIGNED
    fields = (
        *main_fields(frame),
        numbers(Tag.PhotometricInterpretation, TiffType.SHORT, _PHOTOMETRIC_RGB),
        numbers(Tag.SampleFormat, TiffType.SHORT, [sample_format] * 3),
        Field(_INTER_COLOR_PROFILE, TiffType.UNDEFINED, icc_profile(space)),
    )
    write_tiff(path, Ifd(fields, rgb, ((Tag.ExifIFD, Ifd(exif_fields(frame, space))),)))
