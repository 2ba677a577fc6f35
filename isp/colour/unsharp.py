"""Unsharp masking of luminance with soft coring.

Classical unsharp masking (W. K. Pratt, "Digital Image Processing", 4th edition, 10.4.3); the detail
signal is cored by the soft threshold of Donoho, IEEE Trans. Information Theory 41 (1995), so that
noise is not sharpened.
"""

from __future__ import annotations

import cv2
import numpy as np

from isp.colour.row_bands import row_bands

_REC709_LUMA = np.array([[0.2126, 0.7152, 0.0722]], dtype=np.float32)
_BLOCK_PX = 32
_FLAT_PERCENTILE = 10.0
"""Blocks are ranked by the deviation of their detail; the flattest show the noise alone."""


def flat_deviation(detail: np.ndarray) -> float:
    """Standard deviation that a high-passed float32 [H, W] has where the picture is flat.

    The 10th percentile over blocks of 32 x 32 pixels, without blocks that are constant (clipped).
    0 where no block is left.
    """
    height, width = detail.shape
    rows, columns = height // _BLOCK_PX, width // _BLOCK_PX
    blocks = detail[: rows * _BLOCK_PX, : columns * _BLOCK_PX].reshape(rows, _BLOCK_PX, columns, _BLOCK_PX)
    variance = np.einsum("iajb,iajb->ij", blocks, blocks) / _BLOCK_PX**2
    varying = variance[variance > 0]
    return float(np.sqrt(np.percentile(varying, _FLAT_PERCENTILE))) if varying.size else 0.0


def sharpen_luminance(rgb: np.ndarray, *, radius_px: float, amount: float, threshold_sigma: float) -> None:
    """Add `amount` times the cored luminance detail to all three colours of uint8, uint16 or float32
    [H, W, 3], in place. Equal additions keep the differences between colours, and with them hue."""
    luma = _luma(rgb)
    detail = cv2.GaussianBlur(luma, (0, 0), radius_px, borderType=cv2.BORDER_REFLECT_101)
    np.subtract(luma, detail, out=detail)
    core = np.float32(threshold_sigma * flat_deviation(detail))
    height, width = luma.shape
    is_integer = np.issubdtype(rgb.dtype, np.integer)
    for rows in row_bands(height, width):
        band = detail[rows]
        band -= np.clip(band, -core, core)
        band *= np.float32(amount)
        result = rgb[rows] + band[..., np.newaxis]
        if is_integer:
            np.rint(result, out=result)
            np.clip(result, 0, np.iinfo(rgb.dtype).max, out=result)
        np.copyto(rgb[rows], result, casting="unsafe")


def _luma(rgb: np.ndarray) -> np.ndarray:
    """Weighted sum of the colours of [H, W, 3], float32 [H, W], in units of the input."""
    height, width = rgb.shape[:2]
    luma = np.empty((height, width), np.float32)
    for rows in row_bands(height, width):
        luma[rows] = cv2.transform(rgb[rows].astype(np.float32), _REC709_LUMA)
    return luma
