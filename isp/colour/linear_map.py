"""A 3x3 matrix on every pixel."""

from __future__ import annotations

import cv2
import numpy as np

from isp.colour.row_bands import row_bands


def apply_matrix(rgb: np.ndarray, matrix: np.ndarray) -> None:
    """Replace each pixel of float32 [H, W, 3] by `matrix` [3, 3] times it, in place."""
    coefficients = np.asarray(matrix, dtype=np.float32)
    height, width = rgb.shape[:2]
    for rows in row_bands(height, width):
        rgb[rows] = cv2.transform(rgb[rows], coefficients)
