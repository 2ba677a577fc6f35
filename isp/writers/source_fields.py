"""A source file's tags as fields of a written DNG, and the same facts for sources that had no DNG tags."""

from __future__ import annotations

import numpy as np

from isp.colour.chromaticity import D65_XY, REC709_PRIMARIES, rgb_to_xyz
from isp.dng.tags import Tag, TiffType
from isp.raw_frame import CalibrationIlluminant, RawFrame, SourceTag
from isp.writers.tiff_ifd import Field, numbers, rationals

REWRITTEN = frozenset(
    {
        Tag.Make,
        Tag.Model,
        Tag.Orientation,
        Tag.DefaultCropOrigin,
        Tag.DefaultCropSize,
        # Works on the numbers as the sensor gave them, which the written mosaic does not hold any more.
        Tag.OpcodeList1,
    }
)
"""Tags of which the frame or the writer has its own version."""

_EXIF_CODES = (range(33434, 33438), range(34850, 34868), range(36864, 37397), range(42016, 42241))
_CLASSIC_TYPE = {TiffType.LONG8: TiffType.LONG, TiffType.SLONG8: TiffType.SLONG, TiffType.IFD8: TiffType.IFD}
_STANDARD_ILLUMINANTS_K = {17: 2856.0, 23: 5003.0, 20: 5503.0, 21: 6504.0, 22: 7504.0}
"""EXIF LightSource codes of the CIE illuminants A, D50, D55, D65 and D75."""
_SRGB_CAMERA = CalibrationIlluminant(6504.0, np.asarray(np.linalg.inv(rgb_to_xyz(REC709_PRIMARIES, D65_XY))))
_ILLUMINANT_TAGS = (
    (Tag.CalibrationIlluminant1, Tag.ColorMatrix1, Tag.CameraCalibration1, Tag.ForwardMatrix1),
    (Tag.CalibrationIlluminant2, Tag.ColorMatrix2, Tag.CameraCalibration2, Tag.ForwardMatrix2),
)


def carried(tags: tuple[SourceTag, ...], place: str) -> tuple[Field, ...]:
    """The source's tags of one directory ("main", "raw", "exif" or "gps"), but for those written anew.

    TIFF/EP lets IFD 0 hold the exposure's tags; here they go to the EXIF directory, which every reader searches.
    """
    fields: dict[int, Field] = {}
    for tag in tags:
        moves = tag.ifd == "main" and any(tag.code in codes for codes in _EXIF_CODES)
        if ("exif" if moves else tag.ifd) == place and tag.code not in REWRITTEN and not (moves and tag.code in fields):
            fields[tag.code] = _field(tag)
    return tuple(fields.values())


def _field(tag: SourceTag) -> Field:
    dtype = TiffType(tag.dtype)
    if isinstance(tag.value, bytes):
        return Field(tag.code, dtype, tag.value)
    return numbers(tag.code, _CLASSIC_TYPE.get(dtype, dtype), np.asarray(tag.value))


def colour_fields(frame: RawFrame) -> tuple[Field, ...]:
    """The frame's colour as DNG tags, for sources that are not DNGs.

    A DNG must have a ColorMatrix: where the camera's is unknown its RGB is taken as linear sRGB, as the pipeline
    does. The as-shot neutral is left out where it is unknown.
    """
    fields: list[Field] = []
    for illuminant, tags in zip(frame.illuminants[:2] or (_SRGB_CAMERA,), _ILLUMINANT_TAGS, strict=False):
        light_source, *matrix_tags = tags
        matrices = (illuminant.colour_matrix, illuminant.camera_calibration, illuminant.forward_matrix)
        fields.append(numbers(light_source, TiffType.SHORT, _light_source(illuminant.kelvin)))
        for tag, matrix in zip(matrix_tags, matrices, strict=True):
            if matrix is not None:
                fields.append(rationals(tag, TiffType.SRATIONAL, matrix, denominator=1_000_000))
    if frame.as_shot_neutral is not None:
        fields.append(_positive(Tag.AsShotNeutral, frame.as_shot_neutral))
    if frame.analog_balance != (1.0, 1.0, 1.0):
        fields.append(_positive(Tag.AnalogBalance, frame.analog_balance))
    if frame.baseline_exposure_ev != 0:
        fields.append(rationals(Tag.BaselineExposure, TiffType.SRATIONAL, frame.baseline_exposure_ev, denominator=1000))
    return tuple(fields)


def _positive(tag: Tag, values: float | tuple[float, ...]) -> Field:
    return rationals(tag, TiffType.RATIONAL, values, denominator=1_000_000)


def _light_source(kelvin: float) -> int:
    """The standard illuminant nearest in reciprocal temperature."""
    return min(_STANDARD_ILLUMINANTS_K, key=lambda code: abs(1 / _STANDARD_ILLUMINANTS_K[code] - 1 / kelvin))
