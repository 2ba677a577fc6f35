"""Blind estimate of a mosaic's noise: flattest blocks per intensity, then a lower-envelope fit.

1. `quantisation`: the step between the mosaic's values.
2. `flat_bins`: mean and variance of the flattest blocks, per colour plane and intensity.
3. `lower_envelope`: variance = shot * mean + read beneath all of them.
"""

from __future__ import annotations

import numpy as np

from isp.errors import InputError
from isp.noise.flat_bins import flat_bins
from isp.noise.lower_envelope import fit_lower_envelope
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.noise.quantisation import quantisation_step

LEAST_SIDE = 32


def estimate_noise(mosaic: np.ndarray) -> NoiseModel:
    """Noise of one capture, told from the capture itself; the same for all colours.

    mosaic: CFA mosaic float32 [H, W], black 0, white 1, values below black kept, before white balance
    and lens shading; any even or odd size from 32x32. The noise must be that of the sensor: white,
    not smoothed, not demosaiced. Quantisation and fixed pattern are part of what is measured; `read` is
    never below step^2 / 12 of a quantised mosaic. All four planes are treated
    alike, whatever their colours.

    Median error over photographs with simulated noise (Kodak 13 to 24) and over real captures,
    with the 10th and 90th percentile; sigma is the noise's standard deviation at the median intensity,
    the last column the worst of those at its 5th, 50th and 95th percentile, median over captures:

    =================================  ====================  =====  ===========
    noise                              shot                  sigma  worst sigma
    =================================  ====================  =====  ===========
    shot 1e-4, read 2e-8, 12 bits      +26 % (+11 .. +78)    +13 %  14 %
    shot 4e-4, read 5e-7, 12 bits       +8 % (+1 .. +23)      +4 %  4 %
    shot 1.3e-3, read 8e-6, 12 bits     +2 % (-6 .. +8)        0 %  4 %
    shot 4e-3, read 1e-4, 12 bits       -1 % (-5 .. +7)        0 %  3 %
    shot 1.2e-2, read 1e-3, 12 bits     -5 % (-16 .. +4)       0 %  4 %
    shot 1e-4, rounded to 8 bits       +23 % (+8 .. +91)     +10 %  11 %
    shot 4e-4, rounded to 8 bits       +10 % (0 .. +28)       +5 %  5 %
    IMX296, three dim scenes            -2 % (-5 .. +4)       -2 %  2 %
    IMX296 dark frames                 undetermined           +3 %  12 %
    MT9M001, 8 bits, sharp scene       +45 % (+39 .. +47)    +15 %  19 %
    EMVA 1288 flats                     +8 % (+4 .. +15)      +2 %  3 %
    EMVA 1288 dark frames              undetermined           -2 %  18 %
    =================================  ====================  =====  ===========

    The cleanest level is overrated because the photographs have grain of their own, the MT9M001 because
    its truth comes from the difference of two exposures, which is free of fixed pattern. Noise below a
    quarter of a rounding step cannot be told: then sigma lies anywhere from that of rounding alone to
    twice the truth. `benchmarks/noise_estimate.py` makes the table.

    A mosaic without visible noise (constant, or clipped everywhere) gives shot = read = 0. Where only
    one intensity is present, the variance there is right and its division into shot and read follows
    the prior. Raises InputError for a mosaic smaller than 32x32.
    """
    if mosaic.ndim != 2 or min(mosaic.shape) < LEAST_SIDE:
        raise InputError(
            f"a mosaic of shape {mosaic.shape} is too small to estimate its noise from",
            expected=f"at least {LEAST_SIDE}x{LEAST_SIDE} pixels",
            remedy="give the noise model yourself",
        )
    step = quantisation_step(mosaic)
    bins = flat_bins([mosaic[position // 2 :: 2, position % 2 :: 2] for position in range(4)], step)
    if not len(bins.mean):
        return NoiseModel.uniform(0.0, 0.0, NoiseOrigin.ESTIMATE)
    shot, read = fit_lower_envelope(bins, step)
    return NoiseModel.uniform(shot, read, NoiseOrigin.ESTIMATE)
