"""Noise from pairs of flat frames at several exposures, and of dark frames: the photon transfer method.

The temporal variance comes from differences of frames of one exposure, so that whatever stays the
same from frame to frame (shading, dust, fixed pattern) cancels. The line starts at the mean of the
dark frames; its slope is a regression over the flats up to 70 % of saturation, where saturation is
the level beyond which the variance falls.

References
----------
European Machine Vision Association, "EMVA Standard 1288: Standard for characterization of image
sensors and cameras", release 3.1 (2016), sections 6.6 and 6.7.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from denoiser.calibration.noise_line import NoiseLine, Points
from isp.errors import InputError

LINEAR_RANGE = 0.7
"""Share of saturation up to which a photon transfer curve is taken as straight (EMVA 1288)."""
LEAST_FLATS = 2


def temporal_noise(frames: np.ndarray) -> tuple[float, float]:
    """(mean, temporal variance) of frames of one exposure, float32 [N, H, W] with N of 2 or more.

    A change of brightness from frame to frame doesn't count as noise.
    """
    differences = frames[1:] - frames[:-1]
    variance = np.mean([float(d.var(dtype=np.float64)) for d in differences]) / 2
    return float(frames.mean(dtype=np.float64)), float(variance)


def fit_photon_transfer(flats: Sequence[np.ndarray], darks: Sequence[np.ndarray]) -> NoiseLine:
    """The noise of one colour from flats and darks, each float32 [N, H, W], one array per exposure.

    black 0, white 1. Raises InputError where fewer than two flats lie in the linear range.
    """
    dark_mean, dark_variance = np.array([temporal_noise(frames) for frames in darks]).T
    mean, variance = np.array([temporal_noise(frames) for frames in flats]).T
    black, read = float(dark_mean.mean()), float(dark_variance.mean())
    peak = int(np.argmax(variance))
    saturation = float(mean[peak]) if mean.max() > mean[peak] else 1.0
    used = mean <= black + LINEAR_RANGE * (saturation - black)
    if np.count_nonzero(used) < LEAST_FLATS:
        raise InputError(
            f"{np.count_nonzero(used)} of {len(mean)} flats are below {LINEAR_RANGE:.0%} of saturation",
            expected=f"{LEAST_FLATS} or more, better ten from just above dark",
            remedy="add flats of shorter exposure",
        )
    signal, excess = mean[used] - black, variance[used] - read
    shot = float((signal * excess).sum() / (signal * signal).sum())
    scatter = float(((excess - shot * signal) ** 2).sum()) / (len(signal) - 1)
    shot_error = float(np.sqrt(scatter / (signal * signal).sum()))
    read_error = float(dark_variance.std(ddof=1) / np.sqrt(len(darks))) if len(darks) > 1 else 0.0
    points = Points(
        np.concatenate([dark_mean, mean]),
        np.concatenate([dark_variance, variance]),
        np.array([frames[0].size for frames in (*darks, *flats)], np.float64),
        np.concatenate([np.ones(len(darks), bool), used]),
    )
    return NoiseLine(max(shot, 0.0), max(read - shot * black, 0.0), shot_error, read_error, points)
