"""The line variance = shot * mean + read, and the measured points it is drawn through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Points:
    """Measured noise: float64 [K] mean signal and temporal variance, black 0, white 1.

    pixels: float64 [K], how many pixels a point stands for. used: bool [K], False where a point is
    shown but not fitted (saturated, or beyond the linear range).
    """

    mean: np.ndarray
    variance: np.ndarray
    pixels: np.ndarray
    used: np.ndarray


@dataclass(frozen=True)
class NoiseLine:
    """A fitted line with the points it came from; errors are one standard deviation."""

    shot: float
    read: float
    shot_error: float
    read_error: float
    points: Points

    @property
    def residual(self) -> np.ndarray:
        """float64 [K]: measured variance over the line's, minus one."""
        predicted = self.shot * self.points.mean + self.read
        return np.asarray(self.points.variance / np.maximum(predicted, np.finfo(np.float64).tiny) - 1)

    @property
    def residual_rms(self) -> float:
        """Relative, over the points that were fitted."""
        used = self.residual[self.points.used]
        return float(np.sqrt(np.mean(used * used))) if len(used) else 0.0


def joined(sets: Sequence[Points]) -> Points:
    """All points in one."""
    names = ("mean", "variance", "pixels", "used")
    return Points(*(np.concatenate([getattr(points, name) for points in sets]) for name in names))


def fit_relative(points: Points, rounds: int = 8) -> NoiseLine:
    """Least squares of the relative error, each pixel with the same weight, shot and read not negative.

    The spread of a measured variance is proportional to the variance, so each round weights the
    points by the line of the round before.
    """
    x, v, pixels = points.mean[points.used], points.variance[points.used], points.pixels[points.used]
    design = np.stack([x, np.ones_like(x)], 1)
    least = v.max() * 1e-6
    predicted = np.maximum(v, least)
    shot = read = 0.0
    for _ in range(rounds):
        weight = np.sqrt(pixels / pixels.mean()) / predicted
        shot, read = (float(c) for c in np.linalg.lstsq(design * weight[:, None], v * weight, rcond=None)[0])
        squared = weight**2
        if read < 0:
            shot, read = float((x * v * squared).sum() / (x * x * squared).sum()), 0.0
        elif shot < 0:
            shot, read = 0.0, float((v * squared).sum() / squared.sum())
        predicted = np.maximum(shot * x + read, least)
    weight = np.sqrt(pixels / pixels.mean()) / predicted
    scatter = float(np.square((v - predicted) * weight).sum()) / max(1, len(x) - 2)
    weighted = design * weight[:, None]
    shot_error, read_error = np.sqrt(np.diag(np.linalg.pinv(weighted.T @ weighted)) * scatter)
    return NoiseLine(shot, read, float(shot_error), float(read_error), points)
