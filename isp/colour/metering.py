"""Automatic exposure.

Log-average metering as in Reinhard et al., "Photographic Tone Reproduction for Digital Images"
(SIGGRAPH 2002, eqs. 1 and 2), held back where it would burn out the highlights.
"""

from __future__ import annotations

import cv2
import numpy as np

_REC709_LUMA = np.array([[0.2126, 0.7152, 0.0722]], dtype=np.float32)
_LONG_SIDE = 512
_BLACK = 1e-4
"""Added before the logarithm, so that black pixels weigh little."""


def metered_gain(
    rgb: np.ndarray, *, key: float, highlight_percentile: float, highlight_limit: float, saturation: float
) -> float:
    """Gain that brings the log-average luminance of linear float32 [H, W, 3] to `key`, unless that
    lifts the `highlight_percentile` of luminance above `highlight_limit`: then only as far as that.

    Luminance counts up to `saturation`. The picture is averaged down first, so that noise does not
    meter. Returns 1 for a black picture.
    """
    height, width = rgb.shape[:2]
    shrink = max(1, max(height, width) // _LONG_SIDE)
    size = (max(1, width // shrink), max(1, height // shrink))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    luminance = np.clip(cv2.transform(small, _REC709_LUMA), 0.0, saturation)
    highlight = float(np.percentile(luminance, highlight_percentile))
    if highlight <= 0.0:
        return 1.0
    log_average = float(np.exp(np.log(luminance + _BLACK).mean()))
    return min(key / log_average, highlight_limit / highlight)
