"""A simulated image sensor: clean linear light in, noisy digital numbers out.

The noise is the Poissonian-Gaussian model that the DNG specification's NoiseProfile tag states: photons arrive by a
Poisson law, the read-out adds Gaussian noise, so that variance(x) = shot * x + read on data with black 0 and white 1
(A. Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data", IEEE
Transactions on Image Processing 17 (10), 2008).
"""

from __future__ import annotations

import numpy as np

from isp.cfa import Cfa
from isp.colour.chromaticity import D65_XY, REC709_PRIMARIES, rgb_to_xyz
from isp.noise.model import NoiseModel

SRGB_TO_XYZ = rgb_to_xyz(REC709_PRIMARIES, D65_XY)
"""Linear sRGB to CIE XYZ, both with their white at D65."""


def neutral_of(colour_matrix: np.ndarray) -> tuple[float, float, float]:
    """Camera RGB of a D65 neutral, largest component 1: DNG's AsShotNeutral under daylight.

    colour_matrix: [3, 3], XYZ to camera RGB, the DNG ColorMatrix of the camera under D65.
    """
    response = np.asarray(colour_matrix, np.float64) @ SRGB_TO_XYZ.sum(axis=1)
    red, green, blue = response / response.max()
    return float(red), float(green), float(blue)


def camera_rgb(linear_srgb: np.ndarray, colour_matrix: np.ndarray) -> np.ndarray:
    """What the sensor's three colours see of a scene lit by D65, before white balance.

    linear_srgb: [H, W, 3], linear light, sRGB primaries. Returns float32 [H, W, 3], black 0, in which a scene
    white of (1, 1, 1) brings the most sensitive colour to 1; colours that the sensor cannot see are cut at 0.
    """
    matrix = np.asarray(colour_matrix, np.float64) @ SRGB_TO_XYZ
    matrix /= matrix.sum(axis=1).max()
    seen = np.asarray(linear_srgb, np.float32) @ matrix.T.astype(np.float32)
    return np.asarray(np.maximum(seen, 0))


def mosaic_of(camera: np.ndarray, cfa: Cfa) -> np.ndarray:
    """One colour per pixel through the filter array: [H, W, 3] to [H, W], same dtype and range."""
    mosaic = np.empty(camera.shape[:2], camera.dtype)
    for position, channel in enumerate(cfa.channels):
        row, column = divmod(position, 2)
        mosaic[row::2, column::2] = camera[row::2, column::2, channel]
    return mosaic


def expose(clean: np.ndarray, cfa: Cfa, noise: NoiseModel, *, seed: int) -> np.ndarray:
    """One noisy exposure of a clean mosaic.

    clean: [H, W], black 0, white 1, light cannot be below 0. Returns float32 [H, W], same scale, unclipped: read
    noise reaches below black. Every row has its own random stream, so that a difference of one unit in the last
    place between two machines' arithmetic can change no more than one row.
    """
    noisy = np.empty(clean.shape, np.float32)
    channels = np.array(cfa.channels).reshape(2, 2)
    shot = np.asarray(noise.shot, np.float64)[channels]
    read_sigma = np.sqrt(np.asarray(noise.read, np.float64))[channels]
    for y, row in enumerate(np.asarray(clean)):
        random = np.random.default_rng([seed, y])
        unit = np.resize(shot[y % 2], row.size)
        light = np.maximum(row.astype(np.float64), 0)
        electrons = random.poisson(np.divide(light, unit, out=np.zeros_like(light), where=unit > 0))
        noisy[y] = np.where(unit > 0, electrons * unit, light)
        noisy[y] += random.standard_normal(row.size) * np.resize(read_sigma[y % 2], row.size)
    return noisy


def digitise(mosaic: np.ndarray, *, black_dn: int, white_dn: int) -> np.ndarray:
    """The converter: linear [H, W], black 0 and white 1, to uint16 digital numbers, cut at 0 and at `white_dn`."""
    levels = np.rint(np.asarray(mosaic, np.float32) * np.float32(white_dn - black_dn) + np.float32(black_dn))
    digits: np.ndarray = np.clip(levels, 0, white_dn).astype(np.uint16)
    return digits
