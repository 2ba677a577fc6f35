"""Quantisation: the step between a mosaic's values, and what rounding to it does to noise.

Where noise is several steps wide, rounding adds white noise of step^2 / 12 and no more. Where it is
narrower than half a step, it does less than that: a pixel whose clean value lies near the middle of a step
hardly ever leaves it. Over clean values spread evenly across a step, the variance that remains visible is

    V(sigma) = sigma^2 + step^2 / 12 - sum over k of step^2 exp(-4 pi^2 k^2 sigma^2 / step^2) / (2 pi^2 k^2)

The rest of step^2 / 12 hasn't gone, it has become an error of the local mean that stays the same from pixel to pixel.

References
----------
B. Widrow, I. Kollar, "Quantization Noise", Cambridge University Press 2008, chapters 4 and 5 and appendix G.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

MOST_DIFFERENCES = 20_000
LEAST_DIFFERENCES = 100
SAME = 1e-6
"""Values of full scale 1 that differ by less are the same but for float32 arithmetic."""
COMMON = 0.01
"""This quantile of the differences is one step where noise is narrower than about fifty steps; where it
is wider the step doesn't matter."""
LATTICE_STEPS = 10
LATTICE_TOLERANCE = 0.1
LATTICE_SHARE = 0.9
"""Values are quantised if this share of the differences up to `LATTICE_STEPS` are whole multiples of the step."""
FEWEST_LEVELS = 32
"""What has fewer levels from black to white is a drawing, not a capture."""
PHASE_SPREAD = 0.5
"""How unevenly a bin's clean values lie within a step: size of the mean of cos(2 pi value / step), a guess."""


def quantisation_step(mosaic: np.ndarray) -> float:
    """Distance of neighbouring values of a CFA mosaic float32 [H, W], black 0, white 1; 0 if it isn't quantised.

    Told from differences of pixels two columns apart, which have one colour and one row's black level.
    0 also where the step is so fine beside noise and texture that it cannot be told, nor matters.
    """
    rows = mosaic[:: max(1, mosaic.size // MOST_DIFFERENCES)]
    differences = np.abs(rows[:, 2:] - rows[:, :-2])
    differences = differences[differences > SAME]
    if differences.size < LEAST_DIFFERENCES:
        return 0.0
    at = int(differences.size * COMMON)
    rough = float(np.partition(differences, at)[at])
    step = float(np.median(differences[(differences > 0.5 * rough) & (differences < 1.5 * rough)]))
    steps = differences[differences < (LATTICE_STEPS + 0.5) * step] / step
    on_lattice = np.abs(steps - np.rint(steps)) < LATTICE_TOLERANCE
    return step if np.mean(on_lattice) > LATTICE_SHARE and step < 1 / FEWEST_LEVELS else 0.0


@cache
def _rounded_normal() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For normal noise and step 1: sigma^2 + 1/12, V(sigma), and how far V depends on the clean value."""
    sigma = np.linspace(0, 1, 201)
    square = sigma**2
    k = np.arange(1, 20)[:, None]
    lost = (np.exp(-4 * np.pi**2 * k**2 * square) / (2 * np.pi**2 * k**2)).sum(0)
    total = square + 1 / 12
    visible = total - lost
    visible[0] = 0
    # First harmonic over clean values: least where they lie on a level, most midway between two.
    return total, visible, (4 * square + 1 / np.pi**2) * np.exp(-2 * np.pi**2 * square)


def unrounded(variance: float, step: float) -> tuple[float, float, float]:
    """Noise of which rounding to `step` left `variance` visible: (sigma^2 + step^2 / 12, its relative
    change per relative change of `variance`, its relative uncertainty).

    The uncertainty is that of where a bin's clean values lie within a step: small from half a step of
    noise upwards, large below a quarter, where noise cannot be told.
    """
    total, visible, swing = _rounded_normal()
    seen = variance / step**2 if step else math.inf
    if seen >= visible[-1]:
        return variance, 1.0, 0.0
    found = float(np.interp(seen, visible, total))
    slope = float(np.interp(seen, visible[1:], np.diff(total) / np.diff(visible)))
    uncertainty = PHASE_SPREAD * float(np.interp(seen, visible, swing)) / found
    return found * step**2, slope * seen / found, uncertainty
