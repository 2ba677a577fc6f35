"""EXIF metadata of a developed picture.

CIPA DC-008 (Exif 2.32). Its container is a TIFF structure, which JPEG and PNG embed as a block and a
TIFF file has anyway.
"""

from __future__ import annotations

import io
from fractions import Fraction

from isp.colour.colour_space import ColourSpace
from isp.dng.tags import Tag, TiffType
from isp.raw_frame import Exposure, RawFrame
from isp.writers.tiff_ifd import Field, Ifd, numbers, rationals, text, write_structure

_FLASHPIX_VERSION = 40960
_COLOR_SPACE = 40961
_COLOR_SPACE_SRGB = 1
_COLOR_SPACE_OTHER = 0xFFFF
_LARGEST_SHORT = 0xFFFF


def main_fields(frame: RawFrame) -> tuple[Field, ...]:
    """Fields of the first directory: camera and time. The orientation is 1, for pixels are already turned."""
    fields = [
        numbers(Tag.Orientation, TiffType.SHORT, 1),
        rationals(Tag.XResolution, TiffType.RATIONAL, 72, denominator=1),
        rationals(Tag.YResolution, TiffType.RATIONAL, 72, denominator=1),
        numbers(Tag.ResolutionUnit, TiffType.SHORT, 2),  # inch
    ]
    fields += [text(tag, value) for tag, value in ((Tag.Make, frame.make), (Tag.Model, frame.model)) if value]
    if frame.exposure.taken:
        fields.append(text(Tag.DateTime, frame.exposure.taken))
    return tuple(fields)


def exposure_fields(exposure: Exposure) -> tuple[Field, ...]:
    """What is known of the exposure, as EXIF tags."""
    fields = [Field(Tag.ExifVersion, TiffType.UNDEFINED, b"0232")]
    if exposure.time_s:
        fields.append(numbers(Tag.ExposureTime, TiffType.RATIONAL, _time_fraction(exposure.time_s)))
    if exposure.aperture_f:
        fields.append(rationals(Tag.FNumber, TiffType.RATIONAL, exposure.aperture_f, denominator=100))
    if exposure.iso:
        fields.append(numbers(Tag.PhotographicSensitivity, TiffType.SHORT, min(round(exposure.iso), 0xFFFF)))
    if exposure.taken:
        fields.append(text(Tag.DateTimeOriginal, exposure.taken))
    if exposure.focal_length_mm:
        fields.append(rationals(Tag.FocalLength, TiffType.RATIONAL, exposure.focal_length_mm, denominator=100))
    if exposure.lens:
        fields.append(text(Tag.LensModel, exposure.lens))
    return tuple(fields)


def exif_fields(frame: RawFrame, space: ColourSpace) -> tuple[Field, ...]:
    """Fields of the EXIF directory. What the capture's file did not tell is left out."""
    colour = _COLOR_SPACE_SRGB if space is ColourSpace.SRGB else _COLOR_SPACE_OTHER
    return (
        *exposure_fields(frame.exposure),
        Field(_FLASHPIX_VERSION, TiffType.UNDEFINED, b"0100"),
        numbers(_COLOR_SPACE, TiffType.SHORT, colour),
    )


def size_fields(height: int, width: int) -> tuple[Field, ...]:
    """Fields of the EXIF directory that state the size in pixels; a TIFF file has its own for that."""
    return (
        numbers(Tag.PixelXDimension, TiffType.LONG, width),
        numbers(Tag.PixelYDimension, TiffType.LONG, height),
    )


def exif_block(main: tuple[Field, ...], exif: tuple[Field, ...]) -> bytes:
    """The two directories as a TIFF structure of their own, to be embedded in a JPEG or PNG."""
    out = io.BytesIO()
    write_structure(out, Ifd(main, children=((Tag.ExifIFD, Ifd(exif)),)))
    return out.getvalue()


def _time_fraction(time_s: float) -> tuple[int, int]:
    """Numerator and denominator, small ones where they do: 1/125 rather than 8000/1000000."""
    fraction = Fraction(time_s).limit_denominator(10_000_000)
    return fraction.numerator, fraction.denominator
