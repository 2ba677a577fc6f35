"""The scene of the sample capture: a test chart in linear light, made of formulas only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from isp.raw_frame import Rect
from isp.sample.colour_chart import colour_chart
from isp.sample.panels import (
    dark_corner,
    grass,
    printed_page,
    ramps,
    siemens_star,
    still_life,
    stone,
    woven_cloth,
)

HEIGHT, WIDTH = 800, 1200
SAMPLES = 4
"""Samples per pixel, along each side, that are averaged."""

Panel = Callable[[int, int], np.ndarray]

PANELS: tuple[tuple[Rect, Panel], ...] = (
    (Rect(24, 24, 344, 496), colour_chart),
    (Rect(24, 512, 344, 832), siemens_star),
    (Rect(24, 848, 344, 1176), still_life),
    (Rect(360, 24, 664, 384), printed_page),
    (Rect(360, 400, 664, 536), woven_cloth),
    (Rect(360, 544, 664, 680), grass),
    (Rect(360, 688, 664, 832), stone),
    (Rect(360, 848, 664, 1176), dark_corner),
    (Rect(680, 24, 776, 1176), ramps),
)
"""What stands where in the scene, in pixels."""


def render() -> np.ndarray:
    """The whole scene: linear sRGB, float32 [800, 1200, 3], black 0, diffuse white about 1, lights above 1."""
    scene = _wall(HEIGHT, WIDTH)
    for place, panel in PANELS:
        scene[place.slices] = _average(panel(place.height * SAMPLES, place.width * SAMPLES))
    return _lens(scene)


def _wall(height: int, width: int) -> np.ndarray:
    """A grey wall, lit from above."""
    tone = np.linspace(0.16, 0.07, height, dtype=np.float32)
    return np.broadcast_to(tone[:, None, None], (height, width, 3)).copy()


def _average(samples: np.ndarray) -> np.ndarray:
    """What a pixel collects over its area: [SAMPLES h, SAMPLES w, 3] to float32 [h, w, 3]."""
    height, width = samples.shape[0] // SAMPLES, samples.shape[1] // SAMPLES
    blocks = samples.reshape(height, SAMPLES, width, SAMPLES, 3)
    pixels: np.ndarray = blocks.mean(axis=(1, 3), dtype=np.float32)
    return pixels


def _lens(scene: np.ndarray) -> np.ndarray:
    """A good lens: an eighth of each pixel's light falls on its neighbours on either side, then above and below."""
    for axis in (0, 1):
        padded = np.concatenate([scene.take([0], axis), scene, scene.take([-1], axis)], axis)
        size = scene.shape[axis]
        before, after = padded.take(range(size), axis), padded.take(range(2, size + 2), axis)
        scene = 0.75 * scene + 0.125 * (before + after)
    return scene.astype(np.float32)
