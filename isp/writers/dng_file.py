"""A DNG file of one CFA mosaic: DNG specification 1.4.0.0 (Adobe, 2012).

Layout: directory 0 holds the preview, the camera's colour tags and the EXIF directory; its SubIFD holds the mosaic as
16-bit samples in one uncompressed strip. LibRaw, RawTherapee and darktable open this
one; tiles and lossless JPEG strips come out garbled in some of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isp.cfa import Cfa
from isp.dng.tags import Photometric, Tag, TiffType
from isp.noise.model import NoiseModel
from isp.raw_frame import Rect
from isp.writers.tiff_ifd import Field, Ifd, numbers, rationals, text, write_tiff

_DNG_VERSION = (1, 4, 0, 0)
_READABLE_SINCE = (1, 1, 0, 0)
_PHOTOMETRIC_RGB = 2
_SMALLEST_SHOT = 1e-12
"""Adobe's reader takes a NoiseProfile for invalid unless its scale is above 0."""


@dataclass(frozen=True)
class CfaPicture:
    """What a CFA DNG is made of.

    mosaic: uint16 [H, W], digital numbers. black_dn, white_dn: the digital numbers of no light and of a full pixel.
    noise: what the mosaic contains, None to state nothing. default_crop: the part to show, in pixels of the mosaic.
    preview: uint8 RGB [h, w, 3], sRGB, not turned by `orientation`. main, raw, exif: further fields of the first
    directory, the mosaic's, the EXIF and the GPS directory.
    """

    mosaic: np.ndarray
    cfa: Cfa
    black_dn: int
    white_dn: int
    preview: np.ndarray
    noise: NoiseModel | None = None
    default_crop: Rect | None = None
    orientation: int = 1
    make: str = ""
    model: str = ""
    main: tuple[Field, ...] = ()
    raw: tuple[Field, ...] = ()
    exif: tuple[Field, ...] = ()
    gps: tuple[Field, ...] = ()


def write_dng(path: Path, picture: CfaPicture) -> None:
    """Writes the file in one step: it appears complete or not at all."""
    raw = Ifd(_raw_fields(picture), picture.mosaic)
    children: tuple[tuple[int, Ifd], ...] = ((Tag.SubIFDs, raw),)
    for pointer, fields in ((Tag.ExifIFD, picture.exif), (Tag.GPSIFD, picture.gps)):
        if fields:
            children += ((pointer, Ifd(fields)),)
    write_tiff(path, Ifd(_main_fields(picture), picture.preview, children))


def _main_fields(picture: CfaPicture) -> tuple[Field, ...]:
    named = " ".join(word for word in (picture.make, picture.model) if word) or "Unknown camera"
    return with_defaults(
        picture.main,
        numbers(Tag.NewSubfileType, TiffType.LONG, 1),  # a reduced image
        numbers(Tag.PhotometricInterpretation, TiffType.SHORT, _PHOTOMETRIC_RGB),
        text(Tag.Make, picture.make),
        text(Tag.Model, picture.model),
        numbers(Tag.Orientation, TiffType.SHORT, picture.orientation),
        rationals(Tag.XResolution, TiffType.RATIONAL, 72, denominator=1),
        rationals(Tag.YResolution, TiffType.RATIONAL, 72, denominator=1),
        numbers(Tag.ResolutionUnit, TiffType.SHORT, 2),  # inch
        numbers(Tag.DNGVersion, TiffType.BYTE, _DNG_VERSION),
        numbers(Tag.DNGBackwardVersion, TiffType.BYTE, _READABLE_SINCE),
        text(Tag.UniqueCameraModel, named),
        numbers(Tag.PreviewColorSpace, TiffType.LONG, 2),  # sRGB
    )


def _raw_fields(picture: CfaPicture) -> tuple[Field, ...]:
    height, width = picture.mosaic.shape
    crop = picture.default_crop or Rect(0, 0, height, width)
    fields = with_defaults(
        picture.raw,
        numbers(Tag.NewSubfileType, TiffType.LONG, 0),  # the main image
        numbers(Tag.PhotometricInterpretation, TiffType.SHORT, Photometric.CFA),
        numbers(Tag.CFARepeatPatternDim, TiffType.SHORT, (2, 2)),
        numbers(Tag.CFAPattern, TiffType.BYTE, picture.cfa.channels),
        numbers(Tag.CFAPlaneColor, TiffType.BYTE, (0, 1, 2)),  # red, green, blue
        numbers(Tag.CFALayout, TiffType.SHORT, 1),  # rectangular
        numbers(Tag.BlackLevelRepeatDim, TiffType.SHORT, (2, 2)),
        numbers(Tag.BlackLevel, TiffType.LONG, (picture.black_dn,) * 4),
        numbers(Tag.WhiteLevel, TiffType.LONG, picture.white_dn),
        rationals(Tag.DefaultScale, TiffType.RATIONAL, (1, 1), denominator=1),
        numbers(Tag.DefaultCropOrigin, TiffType.LONG, (crop.left, crop.top)),
        numbers(Tag.DefaultCropSize, TiffType.LONG, (crop.width, crop.height)),
        numbers(Tag.ActiveArea, TiffType.LONG, (0, 0, height, width)),
    )
    if picture.noise is not None:
        pairs = [(max(s, _SMALLEST_SHOT), r) for s, r in zip(picture.noise.shot, picture.noise.read, strict=True)]
        fields += (numbers(Tag.NoiseProfile, TiffType.DOUBLE, pairs),)
    return fields


def with_defaults(given: tuple[Field, ...], *defaults: Field) -> tuple[Field, ...]:
    """The fields given, and those of the defaults that are not among them."""
    codes = {field.code for field in given}
    return given + tuple(field for field in defaults if field.code not in codes)
