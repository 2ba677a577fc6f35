"""Scores of a denoised mosaic against the clean one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

import cv2
import numpy as np

from denoiser.evaluation.scenes import Scene
from isp.cfa import Cfa
from isp.psnr import psnr_db

DARK_LEVEL = 0.02
DARK_BIAS_LIMITS = (1.0, 2.2, 4.5, 12.0, 35.0)
"""A tenth of the noise in the dark at each of `SHOTS`, in the units of `Score.dark_bias`."""
Denoise = Callable[[np.ndarray, Cfa, float, float], np.ndarray]


@dataclass(frozen=True)
class Score:
    """raw_psnr_db: on the mosaic, both clipped to [0, 1], peak 1. rendered_psnr_db, ssim: after bilinear
    demosaicing, white balance, colour matrix and gamma. dark_bias: mean error where the truth is below
    0.02, in units of 1e-4 of full scale, unclipped."""

    raw_psnr_db: float
    rendered_psnr_db: float
    ssim: float
    dark_bias: float


def render(mosaic: np.ndarray, scene: Scene) -> np.ndarray:
    """The fixed rendering in which pictures are compared: float32 [H, W, 3], gamma 2.2."""
    green = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.float32) / 4
    other = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 4
    rgb = np.zeros((*mosaic.shape, 3), np.float32)
    for position, channel in enumerate(scene.cfa.channels):
        row, column = divmod(position, 2)
        rgb[row::2, column::2, channel] = mosaic[row::2, column::2]
    for channel, kernel in enumerate((other, green, other)):
        rgb[..., channel] = cv2.filter2D(rgb[..., channel], -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    balanced = np.clip(rgb * scene.camera.gains, 0, 1)
    return (np.clip(balanced @ scene.camera.to_srgb.T, 0, 1) ** (1 / 2.2)).astype(np.float32)


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity of the luma of two RGB pictures in [0, 1], without a border of 5 px.

    Z. Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity",
    IEEE Transactions on Image Processing 13 (4), 2004.
    """
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    x, y = a @ weights, b @ weights

    def mean(image: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(image, (11, 11), 1.5)

    mx, my = mean(x), mean(y)
    vx, vy, covariance = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    similarity = ((2 * mx * my + 1e-4) * (2 * covariance + 9e-4)) / ((mx * mx + my * my + 1e-4) * (vx + vy + 9e-4))
    return float(similarity[5:-5, 5:-5].mean())


def score(output: np.ndarray, scene: Scene) -> Score:
    """Scores of one denoised mosaic, float32 [H, W] in the domain of `scene.clean`."""
    dark = scene.clean < DARK_LEVEL
    rendered, truth = render(output, scene), render(scene.clean, scene)
    return Score(
        psnr_db(output, scene.clean),
        psnr_db(rendered, truth),
        ssim(rendered, truth),
        1e4 * float((output - scene.clean)[dark].mean()) if dark.any() else 0.0,
    )


def mean(scores: Iterable[Score]) -> Score:
    rows = list(scores)
    return Score(*(float(np.mean([getattr(row, field.name) for row in rows])) for field in fields(Score)))


def by_level(scores: Iterable[tuple[float, Score]]) -> dict[float, Score]:
    """Mean score at each noise level, keyed by shot noise; from pairs of shot noise and score."""
    rows: dict[float, list[Score]] = {}
    for shot, one in scores:
        rows.setdefault(shot, []).append(one)
    return {shot: mean(level) for shot, level in rows.items()}


def evaluate(denoise: Denoise, all_scenes: Iterable[Scene]) -> dict[float, Score]:
    """Mean score at each noise level, keyed by shot noise."""
    return by_level(
        (scene.shot, score(denoise(scene.noisy.copy(), scene.cfa, scene.shot, scene.read), scene))
        for scene in all_scenes
    )
