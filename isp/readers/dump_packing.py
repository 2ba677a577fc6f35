"""Pixels from packed bytes: whole bytes, 16-bit words, and MIPI CSI-2 RAW10 and RAW12.

MIPI Alliance Specification for Camera Serial Interface 2, chapter "RAW Image Data Types".
"""

from __future__ import annotations

import numpy as np

from isp.readers.bayer_dump import Packing

_GROUP = {
    Packing.U8: (1, 1),
    Packing.U16LE: (1, 2),
    Packing.U16BE: (1, 2),
    Packing.MIPI_RAW10: (4, 5),
    Packing.MIPI_RAW12: (2, 3),
}
"""Pixels and bytes of the smallest group that stands alone."""


def row_bytes(packing: Packing, width: int) -> int:
    """Bytes of a row of `width` pixels, its last group filled up."""
    pixels, size = _GROUP[packing]
    return -(-width // pixels) * size


def unpack(rows: np.ndarray, packing: Packing, width: int) -> np.ndarray:
    """Pixels uint16 [H, width] of `rows`, uint8 [H, row_bytes(packing, width)]; may share their memory."""
    height = rows.shape[0]
    match packing:
        case Packing.U8:
            return rows.astype(np.uint16)
        case Packing.U16LE | Packing.U16BE:
            order = "<" if packing is Packing.U16LE else ">"
            return np.ascontiguousarray(rows).view(f"{order}u2").astype(np.uint16, copy=False)
    pixels, size = _GROUP[packing]
    groups = rows.reshape(height, -1, size)
    low_bits = 8 // pixels
    low = groups[..., pixels]
    unpacked = np.empty((height, groups.shape[1], pixels), np.uint16)
    for i in range(pixels):
        # High bytes come first, one per pixel; the group's last byte holds low bits, first pixel lowest
        np.left_shift(groups[..., i], low_bits, out=unpacked[..., i], dtype=np.uint16)
        np.bitwise_or(unpacked[..., i], low >> (i * low_bits) & (1 << low_bits) - 1, out=unpacked[..., i])
    return unpacked.reshape(height, -1)[:, :width]
