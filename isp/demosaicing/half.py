"""Half-size demosaic: each 2x2 block of the mosaic becomes one pixel; nothing is interpolated."""

from __future__ import annotations

import cv2
import numpy as np

from isp.cfa import Cfa

BAND_ROWS = 64


def half(mosaic: np.ndarray, cfa: Cfa) -> np.ndarray:
    """Camera RGB float32 [H // 2, W // 2, 3] from a CFA mosaic float32 [H, W], H and W two or more.

    Green is the mean of the block's two; an odd last row or column is left out.
    """
    height, width = (size // 2 for size in mosaic.shape)
    blocks = mosaic[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    rgb = np.empty((height, width, 3), np.float32)
    for start in range(0, height, BAND_ROWS):
        band = blocks[start : start + BAND_ROWS]
        planes = (*cv2.split(band[:, 0]), *cv2.split(band[:, 1]))
        red, blue = (planes[cfa.value.index(colour)] for colour in "RB")
        greens = [plane for plane, colour in zip(planes, cfa.value, strict=True) if colour == "G"]
        cv2.merge((red, cv2.addWeighted(greens[0], 0.5, greens[1], 0.5, 0), blue), rgb[start : start + BAND_ROWS])
    return rgb
