"""What denoising took from a mosaic, held against what its noise model says is noise.

A denoiser that takes away noise and nothing else leaves a residual whose standard deviation is the
model's at every brightness and everywhere in the picture: a ratio of 1. More means that detail went
with it, less that noise stayed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from isp.cfa import Cfa
from isp.noise.model import NoiseModel

BLOCK_PX = 16
LEVELS = 24
LEAST_LEVEL = 1e-3
LEAST_SAMPLES = 500
MOST_SAMPLES = 4_000_000


@dataclass(frozen=True)
class LevelNoise:
    """Standard deviation of the residual of one colour (0 to 2 for R, G, B) at one brightness."""

    channel: int
    level: float
    sigma: float
    samples: int


@dataclass(frozen=True)
class Residual:
    """ratio: float32 [H // 16, W // 16], RMS of the residual in standard deviations of the model.
    by_level: what was taken away at each brightness. median_ratio: the middle of `ratio`."""

    ratio: np.ndarray
    by_level: tuple[LevelNoise, ...]
    median_ratio: float


def residual(noisy: np.ndarray, denoised: np.ndarray, cfa: Cfa, noise: NoiseModel) -> Residual:
    """noisy, denoised: CFA mosaic float32 [H, W], black 0, white 1, before lens shading."""
    rows, columns = (size // BLOCK_PX * BLOCK_PX for size in noisy.shape)
    squared = np.zeros((rows // BLOCK_PX, columns // BLOCK_PX), np.float64)
    half = BLOCK_PX // 2
    by_level: list[LevelNoise] = []
    for channel in range(3):
        levels, differences = [], []
        for position, colour in enumerate(cfa.channels):
            if colour != channel:
                continue
            plane = np.s_[position // 2 : rows : 2, position % 2 : columns : 2]
            clean, difference = denoised[plane], noisy[plane] - denoised[plane]
            variance = np.maximum(noise.variance(clean, channel), np.finfo(np.float32).tiny)
            blocks = (difference**2 / variance).reshape(squared.shape[0], half, squared.shape[1], half)
            squared += blocks.mean((1, 3)) / 4
            levels.append(clean.ravel())
            differences.append(difference.ravel())
        by_level += _by_level(channel, np.concatenate(levels), np.concatenate(differences))
    ratio = np.sqrt(squared).astype(np.float32)
    return Residual(ratio, tuple(by_level), float(np.median(ratio)) if ratio.size else 0.0)


def noise_left(noise: NoiseModel, removed: Residual, strength: float) -> NoiseModel:
    """The noise that a denoised mosaic still has, as far as variances tell.

    A denoiser is taken for a projection: of the noise's variance it leaves the share p and takes the
    rest, 1 - p. `strength` (0 to 1) blends the denoised mosaic with the noisy one, so that s²(1 - p) is
    what `removed` found, and (1 - s)²(1 - p) + p is left. What is left is smoother than the model says.
    """
    if strength == 0:
        return noise
    taken = min(1.0, (removed.median_ratio / strength) ** 2)
    share = (1 - strength) ** 2 * taken + 1 - taken
    return replace(noise, shot=_scaled(noise.shot, share), read=_scaled(noise.read, share))


def _scaled(values: tuple[float, float, float], factor: float) -> tuple[float, float, float]:
    red, green, blue = values
    return red * factor, green * factor, blue * factor


def _by_level(channel: int, level: np.ndarray, difference: np.ndarray) -> list[LevelNoise]:
    stride = max(1, level.size // MOST_SAMPLES)
    level, difference = level[::stride], difference[::stride]
    edges = np.geomspace(LEAST_LEVEL, 1, LEVELS + 1)
    found = []
    for low, high in pairwise(edges):
        inside = difference[(level >= low) & (level < high)]
        if inside.size >= LEAST_SAMPLES:
            # From the quartiles, so that the few pixels on strong edges don't decide.
            quartiles = np.quantile(inside, (0.25, 0.75))
            sigma = float(quartiles[1] - quartiles[0]) / 1.349
            found.append(LevelNoise(channel, float(np.sqrt(low * high)), sigma, int(inside.size)))
    return found
