"""Finds hot and dead pixels in a single Bayer mosaic.

A defect differs from everything around it. A pixel is taken for one if, all at once,

- it lies beyond all its neighbours of the same colour, by a number of standard deviations of the
  noise there (the noise model's);
- it does so by twice what those neighbours differ among themselves, and the pixels next to it, of
  other colours, are even: in texture they are not;
- those next to it do not rise (or fall) with it, as they would for a star or the tip of a line:
  optics spread light over more than one pixel.

The first is the usual dynamic defect correction of camera processors; the others use that the
colours of a mosaic see the same light. Two defects side by side in one colour hide each other. The
limits were chosen on photographs laid out as mosaics: they leave all but one pixel in 50,000 of them
as it is, noisy or not, and find 55 % (shot noise 1e-4) to 91 % (1.2e-2) of the hot pixels that exceed
the noise by 24 times; the others hide in texture.
"""

from __future__ import annotations

import cv2
import numpy as np

from isp.cfa import Cfa
from isp.noise.model import NoiseModel

RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8)
SAME_COLOUR = tuple((down, right) for down in (-2, 0, 2) for right in (-2, 0, 2) if (down, right) != (0, 0))
DIAGONAL = ((-1, -1), (-1, 1), (1, -1), (1, 1))
BESIDE = ((-1, 0), (1, 0), (0, -1), (0, 1))
BEYOND = ((-3, 0), (3, 0), (0, -3), (0, 3))
LEAST_CONTRAST = 2.0
"""A defect's excess over its neighbours, at least, relative to the difference among them."""
MOST_SPREAD = 0.1
"""Part of a pixel's excess that the four pixels beside it may show on average, plus noise."""
SPREAD_NOISE_SIGMA = 0.5**0.5
"""Standard deviation of that average, of four differences, in those of a pixel."""
MOST_GRADIENT = 0.3
"""Part of a pixel's excess by which each of those four may differ from the next of its colour, plus noise."""


def find_defects(
    mosaic: np.ndarray, cfa: Cfa, noise: NoiseModel, threshold_sigma: float, gain: np.ndarray | None = None
) -> np.ndarray:
    """Defects as int64 [N, 2], (row, column), in no particular order.

    mosaic: CFA mosaic float32 [H, W], black 0, white 1. noise: holds for mosaic / gain. gain: float32
    [H, W] that the mosaic was multiplied by, None for 1. threshold_sigma: standard deviations beyond
    the neighbours.
    """
    found = []
    for row, column, channel in zip((0, 0, 1, 1), (0, 1, 0, 1), cfa.channels, strict=True):
        plane = np.ascontiguousarray(mosaic[row::2, column::2])
        if not plane.size:
            continue
        same = SAME_COLOUR + DIAGONAL if channel == 1 else SAME_COLOUR
        for sign, limit in ((1, cv2.dilate(plane, RING)), (-1, cv2.erode(plane, RING))):
            excess = np.subtract(plane, limit) if sign > 0 else np.subtract(limit, plane)
            # The least noise there can be selects few; only those are looked at closely.
            likely = np.flatnonzero(excess > np.float32(threshold_sigma * np.sqrt(noise.read[channel])))
            at = np.stack(np.divmod(likely, plane.shape[1]), axis=-1) * 2 + (row, column)
            for chunk in np.array_split(at, len(at) // 65536 + 1):
                is_defect = _stands_out(mosaic, gain, chunk, sign, same, noise, channel, threshold_sigma)
                found.append(chunk[is_defect])
    return np.concatenate(found)


def _stands_out(
    mosaic: np.ndarray,
    gain: np.ndarray | None,
    at: np.ndarray,
    sign: int,
    same: tuple[tuple[int, int], ...],
    noise: NoiseModel,
    channel: int,
    threshold_sigma: float,
) -> np.ndarray:
    around = sign * _values(mosaic, at, same)
    limit, spread = around.max(axis=1), np.ptp(around, axis=1)
    excess = sign * mosaic[at[:, 0], at[:, 1]] - limit
    factor = np.float32(1) if gain is None else gain[at[:, 0], at[:, 1]]
    sigma = factor * np.sqrt(noise.variance(sign * limit / factor, channel))
    rises = sign * (_values(mosaic, at, BESIDE) - _values(mosaic, at, BEYOND))
    stands_out: np.ndarray = (
        (excess > threshold_sigma * sigma)
        & (excess > LEAST_CONTRAST * spread)
        & (rises.mean(axis=1) < MOST_SPREAD * excess + SPREAD_NOISE_SIGMA * sigma)
        & (np.abs(rises).max(axis=1) < MOST_GRADIENT * excess + 3 * sigma)
    )
    return stands_out


def _values(mosaic: np.ndarray, at: np.ndarray, offsets: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Pixels at `offsets` from each place of `at`, [N, offsets]; the opposite one where that is outside."""
    offset, last = np.array(offsets), np.array(mosaic.shape) - 1
    places = at[:, None, :] + offset
    places = np.where((places < 0) | (places > last), at[:, None, :] - offset, places)
    places = np.clip(places, 0, last)
    return mosaic[places[..., 0], places[..., 1]]
