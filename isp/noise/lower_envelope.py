"""The noise line beneath the variances of flat places.

variance = shot * mean + read is fitted beneath the bins: texture only ever adds variance, so bins that lie
above the line count little, bins below it count fully (C. Liu et al., "Noise estimation from a single
image", CVPR 2006).

`read` is at least that of quantisation, step^2 / 12. A weak prior ties the rest of it to `shot` as in the 50
captures of the Darmstadt Noise Dataset (log10 read = 2.25 log10 shot + 1.38, taken here with a standard
deviation of one decade). It decides only where one intensity, as in a dark frame or a flat, cannot tell shot
from read.
"""

from __future__ import annotations

import numpy as np

from isp.noise.flat_bins import FlatBins

ENVELOPE_KNEE = 1.0
"""Excess of a bin over the fit, in standard deviations, beyond which it counts less and less."""
COST_PER_E_FOLD = 0.05
PRIOR_DECADES = 1.0
LEAST_SIGMA_STEPS = 0.1
"""Noise finer than this part of a quantisation step cannot be told from none."""


def _cost(bins: FlatBins, quantisation: float, shot: np.ndarray, read_to_shot: np.ndarray) -> np.ndarray:
    """Misfit of candidates; `shot` and `read_to_shot` (without quantisation) broadcast together to [R, S]."""
    predicted = shot[..., None] * (np.maximum(bins.mean, 0) + read_to_shot[..., None]) + quantisation
    ratio = bins.variance / predicted
    square = np.square((ratio - 1) / bins.spread)
    # Geman and McClure's loss above the line, so that textured bins hardly pull; the logarithm keeps
    # a line beneath nearly all bins from being as good as one through them.
    knee = ENVELOPE_KNEE**2
    above = 0.5 * knee * square / (knee + square) + COST_PER_E_FOLD * np.log(np.maximum(ratio, 1))
    misfit = np.where(ratio < 1, 0.5 * square, above).sum(-1)
    decades = np.log10(shot * read_to_shot) - (2.25 * np.log10(shot) + 1.38)
    return np.asarray(misfit + np.log1p(0.5 * (decades / PRIOR_DECADES) ** 2))


def fit_lower_envelope(bins: FlatBins, step: float) -> tuple[float, float]:
    """(shot, read), both positive, of the line beneath the bins of a mosaic quantised by `step` (0 if it isn't).

    The cost has several minima, so the whole plane of (read / shot, shot) is searched, then refined.
    """
    quantisation = step**2 / 12
    sensor = np.maximum(bins.variance - quantisation, (LEAST_SIGMA_STEPS * step) ** 2)
    read_to_shot = np.logspace(-6.5, 0.5, 71)[:, None]
    implied = sensor / (np.maximum(bins.mean, 0) + read_to_shot)
    low, high = np.log(implied.min(1)) - 0.1, np.log(np.median(implied, 1)) + 0.3
    shot = np.exp(low[:, None] + (high - low)[:, None] * np.linspace(0, 1, 40))
    ratio_step, shot_step = 10**0.1, 1.1
    for _ in range(4):
        cost = _cost(bins, quantisation, shot, np.broadcast_to(read_to_shot, shot.shape))
        i, j = np.unravel_index(int(np.argmin(cost)), cost.shape)
        # Along the valley of the cost the variance at the bins' middle is what stays.
        middle = float(np.median(np.maximum(bins.mean, 0)))
        best, level = float(read_to_shot[i, 0]), float(shot[i, j]) * (middle + float(read_to_shot[i, 0]))
        read_to_shot = best * ratio_step ** np.linspace(-1, 1, 11)[:, None]
        shot = level * shot_step ** np.linspace(-1, 1, 11) / (middle + read_to_shot)
        ratio_step, shot_step = ratio_step**0.4, shot_step**0.4
    shot_best = level / (middle + best)
    return shot_best, shot_best * best + quantisation
