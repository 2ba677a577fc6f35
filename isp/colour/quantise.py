"""Linear sRGB to the integers of a colour space."""

from __future__ import annotations

import cv2
import numpy as np

from isp.colour.colour_space import ColourSpace, Transfer
from isp.colour.row_bands import row_bands
from isp.colour.srgb_transfer import encode_srgb


def encode(linear: np.ndarray, space: ColourSpace, dtype: type[np.uint8] | type[np.uint16]) -> np.ndarray:
    """Encode linear sRGB float32 [H, W, 3], clipped to [0, 1] of `space`, as unsigned integers of
    `dtype` over their full range, rounded to nearest. Overwrites `linear`."""
    height, width = linear.shape[:2]
    top = np.float32(np.iinfo(dtype).max)
    matrix = space.from_linear_srgb()
    coefficients = None if matrix is None else matrix.astype(np.float32)
    encoded = np.empty(linear.shape, dtype)
    for rows in row_bands(height, width):
        band = linear[rows]
        if coefficients is not None:
            band = cv2.transform(band, coefficients)
        np.clip(band, np.float32(0), np.float32(1), out=band)
        if space.transfer is Transfer.SRGB:
            encode_srgb(band)
        band *= top
        band += np.float32(0.5)
        np.copyto(encoded[rows], band, casting="unsafe")
    return encoded
