"""A tone curve on RGB that keeps hue.

The rule of the DNG reference implementation for tone curves: the largest and the smallest of a
pixel's three values go through the curve, the middle one keeps its place between them. Unlike one
curve per channel it does not shift hues (skin to yellow, sky to cyan), and unlike a curve on
luminance it cannot leave the gamut and lets bright colours fade to white. It also costs two
evaluations of the curve instead of three.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from isp.colour.row_bands import row_bands

_TINY = np.float32(1e-12)


def apply_keeping_hue(rgb: np.ndarray, curve: Callable[[np.ndarray], None]) -> None:
    """Apply `curve` to float32 [H, W, 3] in place.

    `curve` overwrites a float32 plane of values >= 0 with non-decreasing values >= 0, and 0 with 0.
    Colours outside the gamut (a negative value) keep the ratio of that value to the largest one;
    pixels with no positive value become 0.
    """
    height, width = rgb.shape[:2]
    for rows in row_bands(height, width):
        band = rgb[rows]
        red, green, blue = cv2.split(band)
        high = np.maximum(red, green)
        low = np.minimum(red, green)
        np.maximum(high, blue, out=high)
        np.minimum(low, blue, out=low)
        np.maximum(high, _TINY, out=high)

        mapped_high = high.copy()
        curve(mapped_high)
        mapped_low = np.maximum(low, 0)
        curve(mapped_low)
        outside = np.minimum(low, 0)
        if outside.any():
            outside *= mapped_high
            outside /= high
            mapped_low += outside

        high -= low
        np.maximum(high, _TINY, out=high)
        slope = np.subtract(mapped_high, mapped_low, out=mapped_high)
        slope /= high
        for plane in (red, green, blue):
            plane -= low
            plane *= slope
            plane += mapped_low
        cv2.merge((red, green, blue), dst=band)
