"""How a capture was made: EXIF facts of a TIFF-based file (EXIF 2.32)."""

from __future__ import annotations

import math

from isp.dng.tags import Tag
from isp.dng.tiff import Ifd
from isp.raw_frame import Exposure

_ISO_TAGS = (Tag.PhotographicSensitivity, Tag.RecommendedExposureIndex, Tag.StandardOutputSensitivity, Tag.ISOSpeed)
_ISO_OVERFLOW = 65535
"""PhotographicSensitivity has 16 bits; this value sends readers to the tags with 32."""


def exposure_of(main: Ifd) -> Exposure:
    """Facts from the EXIF directory, or else from IFD 0, where some writers put them. Zeros are unknown."""
    directories = [*main.children(Tag.ExifIFD)[:1], main]
    return Exposure(
        iso=next((iso for tag in _ISO_TAGS if (iso := _positive(directories, tag)) and iso != _ISO_OVERFLOW), None),
        time_s=_positive(directories, Tag.ExposureTime),
        aperture_f=_positive(directories, Tag.FNumber),
        focal_length_mm=_positive(directories, Tag.FocalLength),
        taken=_text(directories, Tag.DateTimeOriginal) or _text(directories, Tag.DateTime),
        lens=_text(directories, Tag.LensModel),
    )


def _positive(directories: list[Ifd], tag: Tag) -> float | None:
    for ifd in directories:
        entry = ifd.entries.get(tag)
        if entry is not None:
            value = float(entry.reals()[0])
            if math.isfinite(value) and value > 0:
                return value
    return None


def _text(directories: list[Ifd], tag: Tag) -> str | None:
    return next((text for ifd in directories if (text := ifd.text(tag))), None)
