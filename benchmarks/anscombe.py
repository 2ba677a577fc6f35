"""The generalised Anscombe transform and its unbiased inverse, for denoisers that expect Gaussian noise.

Poisson noise with Gaussian read noise added, variance(x) = shot * x + read, becomes noise of standard
deviation 1 almost everywhere. What a denoiser returns then stands for the mean of the transform, which
is not the transform of the mean: the algebraic inverse would darken the picture by up to a fifth of the
noise, the inverse here by under a fortieth.

References
----------
M. Mäkitalo, A. Foi, "Optimal Inversion of the Generalized Anscombe Transformation for Poisson-Gaussian
Noise", IEEE Transactions on Image Processing 22 (1), 2013: the closed form of the exact unbiased inverse.
"""

from __future__ import annotations

import numpy as np

LEAST = 2 * np.sqrt(3 / 8)
"""The transform of no light without read noise: below it the closed form has no meaning."""


def stabilised(linear: np.ndarray, shot: float, read: float) -> np.ndarray:
    """Linear values, black 0, white 1, of any shape, as float64 with noise of standard deviation 1; shot > 0."""
    photons = linear.astype(np.float64) / shot
    return 2 * np.sqrt(np.maximum(photons + 3 / 8 + read / shot**2, 0))


def unbiased_inverse(mean: np.ndarray, shot: float, read: float) -> np.ndarray:
    """The linear value, black 0, white 1, whose noisy `stabilised` values have this mean: float64, same shape."""
    d = np.maximum(mean, LEAST)
    root = np.sqrt(3 / 2)
    photons = d**2 / 4 + root / (4 * d) - 11 / (8 * d**2) + 5 * root / (8 * d**3) - 1 / 8
    return shot * (photons - read / shot**2)
