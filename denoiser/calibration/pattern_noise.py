"""Noise with a pattern: rows that jump together, and what is the same in every frame.

DSNU and PRNU are the dark signal's and the photo response's non-uniformities of EMVA 1288, after its
high-pass filter, which takes slow shading away.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

HIGH_PASS = 11
"""Side in pixels of the box mean that is subtracted (EMVA 1288, release 3.1, section 8.1)."""


def row_noise_variance(frames: np.ndarray) -> float:
    """Temporal variance that the pixels of a row share, float32 mosaics [N, H, W]; 0 where none is seen."""
    found = []
    for before, after in pairwise(frames):
        difference = after - before
        by_chance = float(difference.var(1, dtype=np.float64).mean()) / difference.shape[1]
        found.append((float(difference.mean(1, dtype=np.float64).var()) - by_chance) / 2)
    return max(0.0, float(np.mean(found)))


def fixed_pattern_variance(frames: np.ndarray, temporal_variance: float) -> float:
    """Spatial variance of the mean of frames [N, H, W] of one colour plane, without slow shading.

    The temporal noise that N frames leave in the mean is subtracted.
    """
    import cv2

    mean = frames.mean(0, dtype=np.float32)
    detail = mean - cv2.blur(mean, (HIGH_PASS, HIGH_PASS), borderType=cv2.BORDER_REFLECT_101)
    kept = 1 - 1 / HIGH_PASS**2
    return max(0.0, float(detail.var(dtype=np.float64)) / kept - temporal_variance / len(frames))
