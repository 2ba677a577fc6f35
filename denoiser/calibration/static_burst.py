"""Noise from a burst of frames of one static scene.

The temporal mean of a pixel is its signal; pixels of like signal form a bin, and the variance of the
frame-to-frame differences within the bin, halved, is the noise there. Differences cancel the scene and
the fixed pattern; taking their variance within a bin also cancels flicker, which moves all pixels of
like signal together. What moves in the scene does add to the variance: use a tripod.

No bin is narrower than one digital number: among dark pixels whose noise hardly crosses a rounding
step, a finer bin would pick those that happened not to.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from denoiser.calibration.noise_line import NoiseLine, Points, fit_relative, joined
from isp.errors import InputError

MOST_BINS = 48
LEAST_PIXELS = 200
"""Per bin, half of what bins are meant to have."""
CLIPPING_SIGMAS = 3.0
"""Bins nearer than this to a clipping point are not fitted."""


def burst_points(frames: np.ndarray, floor: float, step: float) -> Points:
    """Signal and noise of one colour plane, float32 [N, H, W] with N of 2 or more, black 0, white 1.

    floor: value of digital number 0, below which the sensor's converter cannot go. step: one digital
    number.
    """
    signal = frames.mean(0).ravel()
    bin_count = min(MOST_BINS, signal.size // (2 * LEAST_PIXELS))
    quantiles = np.quantile(signal, np.linspace(0, 1, bin_count + 1)[1:-1])
    edges = np.unique(np.floor(quantiles / step) + 0.5) * step
    bins = np.digitize(signal, edges)
    count = np.bincount(bins, minlength=len(edges) + 1)
    mean = np.bincount(bins, signal, len(count)) / np.maximum(count, 1)
    variance = np.zeros(len(count))
    for before, after in pairwise(frames):
        difference = (after - before).ravel()
        first = np.bincount(bins, difference, len(count)) / np.maximum(count, 1)
        second = np.bincount(bins, difference * difference, len(count)) / np.maximum(count, 1)
        variance += (second - first * first) * count / np.maximum(count - 1, 1) / 2
    variance /= len(frames) - 1
    full = count >= LEAST_PIXELS
    mean, variance = mean[full], variance[full]
    reach = CLIPPING_SIGMAS * np.sqrt(variance)
    return Points(
        mean, variance, count[full].astype(np.float64), (mean - reach > floor) & (mean + reach < 1) & (variance > 0)
    )


def fit_static_burst(planes: Sequence[np.ndarray], floor: float, step: float) -> NoiseLine:
    """The noise of one colour; planes: its colour planes of one or more bursts, each as in `burst_points`.

    Raises InputError where no intensity is free of clipping and noisy.
    """
    points = joined([burst_points(frames, floor, step) for frames in planes])
    if not points.used.any():
        raise InputError(
            "the burst shows no noise between black and white",
            expected="frames of a static scene with dark and bright parts, not clipped, not all the same",
        )
    return fit_relative(points)
