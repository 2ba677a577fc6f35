"""The denoised mosaic as a CFA DNG, which other raw developers open in place of the capture.

DNG specification 1.4.0.0 (Adobe, 2012). The source's tags go with it; what denoising has changed is stated anew: the
levels, NoiseProfile for the noise that is left, NoiseReductionApplied, and the preview.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from isp.dng.tags import Tag, TiffType
from isp.errors import InputError
from isp.noise.model import NoiseModel
from isp.raw_frame import RawFrame
from isp.writers.dng_file import CfaPicture, with_defaults, write_dng
from isp.writers.exif import exposure_fields
from isp.writers.source_fields import carried, colour_fields
from isp.writers.tiff_ifd import Field, rationals, text

WHITE_DN = 0xFFFF
"""All 16 bits are used: a finer step than any sensor's, so that denoised values keep their fractions."""
SMALLEST_BLACK_DN, LARGEST_BLACK_DN, BLACK_STEP_DN = 1024, 32768, 256
_BAND_ROWS = 256


def write_cfa_dng(
    path: Path,
    frame: RawFrame,
    mosaic: np.ndarray,
    *,
    noise: NoiseModel,
    preview: np.ndarray,
    noise_reduction_applied: float = 1.0,
    shading_gain: np.ndarray | None = None,
) -> None:
    """Writes `mosaic` with the facts of the capture `frame`; the file appears complete or not at all.

    mosaic: CFA mosaic float32 [H, W], black 0, white 1, before white balance; values below 0 are kept, values above 1
    are full. noise: what is left in it. preview: uint8 RGB [h, w, 3], sRGB, as the sensor lies: not turned by the
    frame's orientation. noise_reduction_applied: 0 for none to 1 for all that should be, in DNG's sense.
    shading_gain: float32 [H, W], the lens-shading gain that the mosaic has been multiplied by. It is divided out: the
    source's GainMap opcodes are copied, and NoiseProfile cannot describe noise that grows towards the corners.

    Raises InputError for a frame without a Bayer mosaic.
    """
    if frame.cfa is None:
        raise InputError(
            f"{frame.source.name} was demosaiced by its camera (LinearRaw)",
            expected="a Bayer mosaic, which is what a CFA DNG holds",
            remedy="write a TIFF instead",
        )
    sensed = mosaic if shading_gain is None else mosaic / shading_gain
    black_dn = pedestal(sensed)
    write_dng(
        path,
        CfaPicture(
            mosaic=_digitise(sensed, black_dn),
            cfa=frame.cfa,
            black_dn=black_dn,
            white_dn=WHITE_DN,
            preview=preview,
            noise=noise,
            default_crop=frame.default_crop,
            orientation=frame.orientation,
            make=frame.make,
            model=frame.model,
            main=_main_fields(frame),
            raw=_raw_fields(frame, noise_reduction_applied),
            exif=with_defaults(carried(frame.source_tags, "exif"), *exposure_fields(frame.exposure)),
            gps=carried(frame.source_tags, "gps"),
        ),
    )


def pedestal(mosaic: np.ndarray) -> int:
    """Digital number of no light with which the lowest value of `mosaic` is still above 0.

    Noise reaches below black; cut off there, its mean would rise and shadows with it. The range below black is lost to
    the range above, hence the least that holds, in steps of 256 from 1024 (where one step is 1.6e-5 of white) to half.
    """
    lowest = min(float(mosaic.min()), 0.0)
    if not math.isfinite(lowest):
        raise ValueError("the mosaic holds values that are not numbers")
    needed = WHITE_DN * -lowest / (1 - lowest)
    steps = math.ceil((needed + 0.5) / BLACK_STEP_DN)
    return min(max(steps * BLACK_STEP_DN, SMALLEST_BLACK_DN), LARGEST_BLACK_DN)


def _digitise(mosaic: np.ndarray, black_dn: int) -> np.ndarray:
    stored = np.empty(mosaic.shape, np.uint16)
    scale = np.float32(WHITE_DN - black_dn)
    for top in range(0, mosaic.shape[0], _BAND_ROWS):  # a whole frame of temporaries would double the memory
        rows = slice(top, top + _BAND_ROWS)
        band = mosaic[rows] * scale
        band += np.float32(black_dn + 0.5)
        np.clip(band, 0, WHITE_DN, out=band)
        stored[rows] = band  # the fraction is cut off: with the half above, that rounds
    return stored


def _main_fields(frame: RawFrame) -> tuple[Field, ...]:
    fields = (*carried(frame.source_tags, "main"), text(Tag.PreviewApplicationName, "fan-isp"))
    has_colour = any(field.code == Tag.ColorMatrix1 for field in fields)
    return fields if has_colour else with_defaults(fields, *colour_fields(frame))


def _raw_fields(frame: RawFrame, noise_reduction_applied: float) -> tuple[Field, ...]:
    applied = rationals(Tag.NoiseReductionApplied, TiffType.RATIONAL, noise_reduction_applied, denominator=100)
    return (*carried(frame.source_tags, "raw"), applied)
