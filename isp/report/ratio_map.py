"""The residual's map as a picture: neutral where denoising took what the noise model says."""

from __future__ import annotations

import numpy as np

STOPS = 1.0
"""Ratios from 2**-STOPS to 2**STOPS are told apart; beyond, the colour stays."""
LESS, AS_MODELLED, MORE = (33, 102, 172), (238, 238, 238), (178, 24, 43)
"""Ends and middle of ColorBrewer's RdBu scale, which colour-blind people can read."""


def ratio_picture(ratio: np.ndarray) -> np.ndarray:
    """uint8 [h, w, 3] of ratios [h, w]: blue below 1, red above."""
    position = np.clip(np.log2(np.maximum(ratio, 1e-6)) / STOPS, -1, 1)[..., None]
    middle = np.asarray(AS_MODELLED, np.float64)
    end = np.where(position < 0, LESS, MORE)
    return np.asarray(np.rint(middle + np.abs(position) * (end - middle)), np.uint8)
