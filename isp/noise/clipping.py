"""Clipping: where a plane is clipped, and the moments that noise had before.

A. Foi, "Clipped noisy images: heteroskedastic modeling and practical denoising", Signal Processing 89
(2009): the moments of a censored normal distribution, inverted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

PILED_UP = 1e-3
"""A plane is clipped at its extreme value if this share of its pixels have it, more than have the next value."""


@dataclass(frozen=True)
class ClippingPoints:
    """Values at which a plane is clipped below and above; infinite where it isn't."""

    floor: float
    ceiling: float

    @property
    def exist(self) -> bool:
        return math.isfinite(self.floor) or math.isfinite(self.ceiling)

    def reached(self, plane: np.ndarray) -> np.ndarray:
        """Which pixels were clipped, or may have been: bool, same shape."""
        return (plane <= self.floor) | (plane >= self.ceiling)


def clipping_points(plane: np.ndarray, step: float) -> ClippingPoints:
    """Of one colour plane [h, w], quantised by `step` (0 if it isn't)."""

    def piled_up(extreme: float, inwards: float) -> bool:
        count = np.count_nonzero(plane == extreme)
        if count <= PILED_UP * plane.size:
            return False
        return bool(step == 0 or count > np.count_nonzero(np.abs(plane - (extreme + inwards)) < 0.25 * step))

    low, high = float(plane.min()), float(plane.max())
    return ClippingPoints(
        low if piled_up(low, step) else -math.inf,
        high if piled_up(high, -step) else math.inf,
    )


@cache
def _censored_normal() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For a unit normal at distance t above a clipping point: t, mean / sd, and variance, once clipped."""
    t = np.linspace(-0.5, 5, 111)
    density = np.exp(-t * t / 2) / math.sqrt(2 * math.pi)
    share = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in t])
    mean = t * share + density
    variance = (1 + t * t) * share + t * density - mean**2
    return t, mean / np.sqrt(variance), variance


def unclipped(mean: float, variance: float, points: ClippingPoints, step: float) -> tuple[float, float, float]:
    """Mean and variance before clipping at the nearer point, and the share of the variance that it kept."""
    t, ratio, kept = _censored_normal()
    # Of noise narrower than a step, what lies at the clipping point was mostly rounded there from within half a step.
    reach = step / 2 if variance < step**2 / 4 else 0.0
    floor, ceiling = points.floor - reach, points.ceiling + reach
    below, above = mean - floor, ceiling - mean
    distance = min(below, above) / math.sqrt(variance)
    if distance >= ratio[-1]:
        return mean, variance, 1.0
    share = float(np.interp(distance, ratio, kept))
    true_variance = variance / share
    offset = float(np.interp(distance, ratio, t)) * math.sqrt(true_variance)
    return (floor + offset if below < above else ceiling - offset), true_variance, share
