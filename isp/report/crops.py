"""Which parts of a picture tell whether denoising was good: chosen from the picture, not by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isp.raw_frame import Rect

LARGEST_PX = 256
SMALLEST_PX = 64
SHARE = 0.27
"""Side of a square, as a share of the picture's shorter side, within the limits above."""
APART = 0.8
"""Least distance between two squares in either direction, as a share of their side."""
APART_IN_PICTURE = 0.2
"""The same as a share of the picture's shorter side; the greater of both holds."""


@dataclass(frozen=True)
class Crop:
    """A square of the picture and why it was chosen.

    surroundings: what is shown at 100 %, twice as wide as the square where the picture allows.
    """

    title: str
    why: str
    square: Rect
    surroundings: Rect


@dataclass(frozen=True)
class _Windows:
    """Measures of every window on a grid, each float32 [rows, columns]; `step_px` apart, `side_px` wide.

    level: mean brightness, 0 to 1. removed: RMS of what denoising took away. detail: mean gradient of
    the denoised picture. colour: mean difference of the strongest and the weakest of R, G, B.
    """

    step_px: int
    side_px: int
    level: np.ndarray
    removed: np.ndarray
    detail: np.ndarray
    colour: np.ndarray


def choose_crops(before: np.ndarray, after: np.ndarray) -> tuple[Crop, ...]:
    """Up to six parts that lie apart; fewer in pictures too small for them.

    before, after: uint8 [H, W, 3], the same picture without and with denoising.
    """
    windows = _measured(before, after)
    contrast = windows.detail / (windows.level + 0.02)
    structured = contrast >= np.quantile(contrast, 0.3)
    middle = (windows.level > 0.25) & (windows.level < 0.85)
    wanted = (
        ("Dark area", "the deepest shadow that has structure in it", np.where(structured, 1 - windows.level, -1)),
        ("Finest detail", "the strongest fine structure of the denoised picture", windows.detail),
        ("Most noise", "where denoising took most away", windows.removed),
        (
            "Flat area",
            "least structure: blotches and grain show here",
            np.where(middle, 1 / (windows.detail + 1e-3), -1),
        ),
        ("Detail under noise", "structure and noise both strong", windows.detail * windows.removed),
        ("Strong colour", "the most saturated part: colour noise and colour bleeding show here", windows.colour),
    )
    chosen: list[Crop] = []
    free = np.ones(windows.level.shape, bool)
    apart_px = max(APART * windows.side_px, APART_IN_PICTURE * min(after.shape[:2]))
    apart = max(1, round(apart_px / windows.step_px))
    for title, why, score in wanted:
        allowed = np.where(free, score, -1)
        row, column = np.unravel_index(int(np.argmax(allowed)), allowed.shape)
        if allowed[row, column] < 0:
            continue
        free[max(0, row - apart + 1) : row + apart, max(0, column - apart + 1) : column + apart] = False
        top, left = int(row) * windows.step_px, int(column) * windows.step_px
        square = Rect(top, left, top + windows.side_px, left + windows.side_px)
        chosen.append(Crop(title, why, square, _around(square, after.shape[0], after.shape[1])))
    return tuple(chosen)


def _around(square: Rect, height: int, width: int) -> Rect:
    side = min(2 * square.width, height, width)
    top = min(max(0, square.top - (side - square.height) // 2), height - side)
    left = min(max(0, square.left - (side - square.width) // 2), width - side)
    return Rect(top, left, top + side, left + side)


def _measured(before: np.ndarray, after: np.ndarray) -> _Windows:
    import cv2

    height, width = after.shape[:2]
    shorter = min(height, width)
    side = min(shorter, LARGEST_PX, max(SMALLEST_PX, int(SHARE * shorter)))
    step = max(1, side // 8)
    clean = cv2.cvtColor(after, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    noisy = cv2.cvtColor(before, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    gradient = np.abs(cv2.Scharr(clean, cv2.CV_32F, 1, 0)) + np.abs(cv2.Scharr(clean, cv2.CV_32F, 0, 1))

    def mean(values: np.ndarray) -> np.ndarray:
        sums = cv2.integral(values, sdepth=cv2.CV_64F)[: height + 1, : width + 1]
        box = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
        return np.asarray(box[::step, ::step] / side**2, np.float32)

    colour = (after.max(axis=2) - after.min(axis=2)).astype(np.float32) / 255
    removed = np.sqrt(np.maximum(mean((noisy - clean) ** 2), 0))
    return _Windows(step, side, mean(clean), removed, mean(gradient) / 32, mean(colour))
