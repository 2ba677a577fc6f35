"""Colour calibration of a DNG (DNG specification 1.7.1, chapter 6)."""

from __future__ import annotations

import numpy as np

from isp.dng.illuminants import kelvin
from isp.dng.tags import Tag
from isp.dng.tiff import Ifd
from isp.errors import InputError
from isp.raw_frame import CalibrationIlluminant

_UNSTATED_KELVIN = 6504.0
"""A single matrix whose light the file does not name: D65, for which most are measured. The number
has no effect, as there is no second matrix to interpolate with."""

_TAGS = (
    (Tag.CalibrationIlluminant1, Tag.ColorMatrix1, Tag.ForwardMatrix1, Tag.CameraCalibration1),
    (Tag.CalibrationIlluminant2, Tag.ColorMatrix2, Tag.ForwardMatrix2, Tag.CameraCalibration2),
)


def illuminants(main: Ifd) -> tuple[CalibrationIlluminant, ...]:
    """The calibrated illuminants of IFD 0, none to two.

    Of two matrices whose lights' temperatures are unknown or equal, the first holds alone, as in
    Adobe's reader. CameraCalibration counts only for the profile whose signature it carries.
    """
    individual = main.text(Tag.CameraCalibrationSignature) == main.text(Tag.ProfileCalibrationSignature)
    found: list[CalibrationIlluminant] = []
    for illuminant_tag, colour_tag, forward_tag, calibration_tag in _TAGS:
        colour = _matrix(main, colour_tag)
        if colour is None:
            continue
        temperature = kelvin(main.integer(illuminant_tag, 0))
        if found and (temperature is None or temperature == found[0].kelvin):
            break
        calibration = _matrix(main, calibration_tag) if individual else None
        found.append(
            CalibrationIlluminant(temperature or _UNSTATED_KELVIN, colour, _matrix(main, forward_tag), calibration)
        )
    first_is_unstated = kelvin(main.integer(Tag.CalibrationIlluminant1, 0)) is None
    return tuple(found[:1] if first_is_unstated else found)


def _matrix(ifd: Ifd, tag: Tag) -> np.ndarray | None:
    """A 3x3 matrix; None where the tag is missing or all zero."""
    values = ifd.reals(tag, count=9)
    return values.reshape(3, 3) if values is not None and values.any() else None


def analog_balance(main: Ifd) -> tuple[float, float, float]:
    """Gains already applied to the stored values; ones where the file states none."""
    found = _positive_rgb(main, Tag.AnalogBalance)
    return (1.0, 1.0, 1.0) if found is None else found


def as_shot_neutral(
    main: Ifd, lights: tuple[CalibrationIlluminant, ...], balance: tuple[float, float, float]
) -> tuple[float, float, float] | None:
    """Camera RGB of a neutral object, from AsShotNeutral, or else from AsShotWhiteXY and the matrices."""
    neutral = _positive_rgb(main, Tag.AsShotNeutral)
    white_xy = main.reals(Tag.AsShotWhiteXY, count=2)
    if neutral is not None or white_xy is None or not lights:
        return neutral
    from isp.colour.chromaticity import xy_to_xyz
    from isp.colour.dng_colour import camera_matrices

    x, y = white_xy.tolist()
    camera = np.zeros(3)
    if 0 < x < 1 and 0 < y < 1:
        camera = camera_matrices(lights, balance, (x, y)).xyz_to_camera @ xy_to_xyz((x, y))
    if not (camera > 0).all():
        raise InputError(
            f"{main.file.path.name}: AsShotWhiteXY is ({x:g}, {y:g})", expected="the chromaticity of a light"
        )
    red, green, blue = (camera / camera.max()).tolist()
    return red, green, blue


def _positive_rgb(main: Ifd, tag: Tag) -> tuple[float, float, float] | None:
    values = main.reals(tag, count=3)
    if values is None:
        return None
    if not (values > 0).all():
        raise InputError(f"{main.file.path.name}: {tag.name} is {values.tolist()}", expected="three values above 0")
    red, green, blue = values.tolist()
    return red, green, blue


def baseline_exposure_ev(main: Ifd) -> float:
    """BaselineExposure, 0 where the file states none (some write it as 0/0)."""
    entry = main.entries.get(Tag.BaselineExposure)
    value = 0.0 if entry is None else float(entry.reals()[0])
    return value if np.isfinite(value) else 0.0


def tone_curve(main: Ifd) -> np.ndarray | None:
    """ProfileToneCurve, float64 [N, 2]. Raises InputError unless it rises from (0, 0) to (1, 1) in x."""
    values = main.reals(Tag.ProfileToneCurve)
    if values is None:
        return None
    points = values.reshape(-1, 2) if values.size % 2 == 0 else np.empty((0, 2))
    ends = len(points) >= 2 and np.allclose(points[[0, -1]], [[0, 0], [1, 1]], atol=1e-6)
    if not ends or (np.diff(points[:, 0]) <= 0).any() or points.min() < 0 or points.max() > 1:
        raise InputError(
            f"{main.file.path.name}: ProfileToneCurve has {values.size} numbers, {values.tolist()[:4]}...",
            expected="points from (0, 0) to (1, 1), x rising",
        )
    return points
