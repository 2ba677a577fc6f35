"""Raises colours that were full to what the others at the same pixel suggest.

A full colour is only a lower bound of the light that fell in, and colours correlate strongly in
highlights (X. Zhang, D. H. Brainard: Estimation of saturated pixel values in digital color imaging,
JOSA A 21(12), 2004). Two guesses are used, and the greater holds if it exceeds what was measured:

- neutral: the mean of the colours that are not full. Right for clouds, lamps and reflections, which
  is most of what is blown. Where all are full it is the greatest of them, so that blown areas become
  neutral.
- opposed: the mean of the other two colours, full or not, taken of their square roots, nearer to how
  the eye would; the guess behind the "inpaint opposed" of several raw developers. It keeps a sunset
  from turning pink: with red full and blue dark, green lies between them.

How full a colour counts rises smoothly from 95 to 99 % of its saturation, so that noise draws no
outlines.
"""

from __future__ import annotations

import numpy as np

BAND_ROWS = 8
FULL_FROM, FULL_AT = 0.95, 0.99


def reconstruct(rgb: np.ndarray, saturation: tuple[float, float, float]) -> None:
    """Changes camera RGB float32 [H, W, 3], contiguous, white-balanced and black 0, in place.

    saturation: per colour, the value at which the sensor is full. Pixels of which no colour exceeds
    95 % of it are left as they are; values only rise.
    """
    height, width, _ = rgb.shape
    full = np.array(saturation, np.float32)
    starts = np.tile(full * np.float32(FULL_FROM), width)
    for start in range(0, height, BAND_ROWS):
        band = rgb[start : start + BAND_ROWS]
        samples = np.flatnonzero(band.reshape(len(band), -1) > starts)
        if samples.size:
            pixels = samples // 3
            pixels = pixels[np.flatnonzero(np.diff(pixels, prepend=-1))]
            flat = band.reshape(-1, 3)
            flat[pixels] = _raised(flat[pixels].T.copy(), full[:, None]).T


def _raised(colours: np.ndarray, full: np.ndarray) -> np.ndarray:
    """float32 [3, N] with its full colours raised."""
    ramp = colours / full
    ramp -= np.float32(FULL_FROM)
    ramp *= np.float32(1 / (FULL_AT - FULL_FROM))
    np.clip(ramp, 0, 1, out=ramp)
    fullness = ramp * ramp * (3 - 2 * ramp)
    known = 1 - fullness
    # The greatest colour enters with next to no weight, and decides where nothing else is known.
    floor = np.float32(1e-4)
    neutral = ((known * colours).sum(axis=0) + floor * colours.max(axis=0)) / (known.sum(axis=0) + floor)
    roots = np.sqrt(np.maximum(colours, 0))
    opposed = np.square((roots.sum(axis=0) - roots) / 2)
    fullness *= np.maximum(np.maximum(neutral, opposed) - colours, 0)
    raised: np.ndarray = colours + fullness
    return raised
