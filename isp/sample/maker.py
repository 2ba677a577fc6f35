"""Makes the sample capture: `python -m isp.sample.maker [FILE]`.

The scene goes through the simulated sensor at a stated noise level and into a DNG whose tags tell the truth about it.
The result is the same on every machine, but for rare differences in the last place of a sum.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from isp.cfa import Cfa
from isp.colour.srgb_transfer import encode_srgb
from isp.dng.tags import Tag, TiffType
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.sample import SAMPLE
from isp.sample.scene import render
from isp.sample.sensor import SRGB_TO_XYZ, camera_rgb, digitise, expose, mosaic_of, neutral_of
from isp.writers.dng_file import CfaPicture, write_dng
from isp.writers.tiff_ifd import Field, numbers, rationals, text

CFA = Cfa.GRBG
BLACK_DN, WHITE_DN = 256, 4095
SHOT = 4e-3
READ = 10 ** (2.25 * np.log10(SHOT) + 1.38)
"""Goes with shot noise as it does over the gains of measured sensors; its standard deviation here is 0.98 %."""
NOISE = NoiseModel.uniform(SHOT, float(READ), NoiseOrigin.TAG)
COLOUR_MATRIX = np.array([[0.9082, -0.2600, -0.0948], [-0.3909, 1.1880, 0.1685], [-0.0743, 0.1691, 0.4835]])
"""XYZ to camera RGB under D65, of no real camera: overlapping filters, red at half and blue at 5/8 of green."""
SEED = 20
PREVIEW_BLOCK = 8
"""Pixels of the mosaic, along each side, that make one of the preview."""

_CALIBRATION_ILLUMINANT_D65 = 21


def clean_mosaic() -> np.ndarray:
    """The sample without noise: float32 [H, W], black 0, not cut at white 1: what denoising is measured against."""
    return mosaic_of(camera_rgb(render(), COLOUR_MATRIX), CFA)


def sample_picture() -> CfaPicture:
    """The sample capture, ready to be written."""
    mosaic = digitise(expose(clean_mosaic(), CFA, NOISE, seed=SEED), black_dn=BLACK_DN, white_dn=WHITE_DN)
    return CfaPicture(
        mosaic=mosaic,
        cfa=CFA,
        black_dn=BLACK_DN,
        white_dn=WHITE_DN,
        preview=_preview(mosaic),
        noise=NOISE,
        make="Simulated",
        model="Sample sensor",
        main=_main_fields(),
        exif=_exif_fields(),
    )


def _main_fields() -> tuple[Field, ...]:
    return (
        text(Tag.ImageDescription, f"Procedural scene, simulated sensor: variance(x) = {SHOT:.6g} x + {READ:.6g}"),
        text(Tag.Software, "fan-isp"),
        text(Tag.DateTime, "2025:01:01 12:00:00"),
        rationals(Tag.ColorMatrix1, TiffType.SRATIONAL, COLOUR_MATRIX, denominator=10_000),
        rationals(Tag.AsShotNeutral, TiffType.RATIONAL, neutral_of(COLOUR_MATRIX), denominator=1_000_000),
        rationals(Tag.BaselineExposure, TiffType.SRATIONAL, 0, denominator=100),
        numbers(Tag.CalibrationIlluminant1, TiffType.SHORT, _CALIBRATION_ILLUMINANT_D65),
    )


def _exif_fields() -> tuple[Field, ...]:
    return (
        rationals(Tag.ExposureTime, TiffType.RATIONAL, 1 / 60, denominator=60),
        rationals(Tag.FNumber, TiffType.RATIONAL, 4, denominator=10),
        numbers(Tag.PhotographicSensitivity, TiffType.SHORT, 6400),
        Field(Tag.ExifVersion, TiffType.UNDEFINED, b"0230"),
        text(Tag.DateTimeOriginal, "2025:01:01 12:00:00"),
        rationals(Tag.FocalLength, TiffType.RATIONAL, 35, denominator=10),
        text(Tag.LensModel, "Simulated 35 mm F4"),
    )


def _preview(mosaic: np.ndarray) -> np.ndarray:
    """A small picture of the mosaic: uint8 sRGB, from the mean of each colour over blocks."""
    size = PREVIEW_BLOCK
    linear = (mosaic.astype(np.float32) - BLACK_DN) / (WHITE_DN - BLACK_DN)
    quads = linear.reshape(linear.shape[0] // size, size // 2, 2, linear.shape[1] // size, size // 2, 2)
    positions = quads.mean(axis=(1, 4)).transpose(0, 2, 1, 3).reshape(-1, linear.shape[1] // size, 4)
    channels = np.array(CFA.channels)
    camera = np.stack([positions[..., channels == channel].mean(axis=-1) for channel in range(3)], axis=-1)
    balanced = np.minimum(camera / np.array(neutral_of(COLOUR_MATRIX), np.float32), 1)
    to_camera = COLOUR_MATRIX @ SRGB_TO_XYZ
    to_srgb = np.linalg.inv(to_camera / to_camera.sum(axis=1, keepdims=True))
    picture = np.clip(balanced @ to_srgb.T, 0, 1).astype(np.float32)
    encode_srgb(picture)
    preview: np.ndarray = np.rint(picture * 255).astype(np.uint8)
    return preview


def main(arguments: list[str]) -> int:
    """Writes the sample to the file named, or over the one that ships."""
    path = Path(arguments[0]) if arguments else SAMPLE
    write_dng(path, sample_picture())
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
