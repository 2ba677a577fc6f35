"""Peak signal-to-noise ratio."""

from __future__ import annotations

import numpy as np

_LEAST_MEAN_SQUARE = 1e-20


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    """Peak 1, of images of the same shape clipped to [0, 1]; 200 where they are equal."""
    error = np.clip(a, 0, 1).astype(np.float64) - np.clip(b, 0, 1)
    return float(-10 * np.log10(np.square(error).mean() + _LEAST_MEAN_SQUARE))
