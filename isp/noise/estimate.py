"""Blind estimate of a mosaic's noise: flattest blocks per intensity, then a lower-envelope fit.

1. Each colour plane is cut into overlapping 6x6 blocks. The energy of a block's low DCT frequencies
   tells how flat it is; the noise is measured from its high frequencies alone. White noise is
   independent between the two, so choosing the flattest blocks doesn't bias the measurement
   (Ponomarenko et al. 2007, Colom and Buades 2013).
2. In each intensity bin, the flattest blocks give one (mean, variance). Where noise was clipped at
   black or white, both are restored with the moments of a censored normal distribution (Foi 2009).
3. variance = shot * mean + read is fitted beneath the bins: texture only ever adds variance, so bins
   that lie above the line count little, bins below it count fully (Liu et al. 2006).
4. A weak prior ties read to shot as in the 50 captures of the Darmstadt Noise Dataset
   (log10 read = 2.25 log10 shot + 1.38, taken here with a standard deviation of one decade). It
   decides only where one intensity, as in a dark frame or a flat, cannot tell shot from read.

References
----------
N. Ponomarenko et al., "An automatic approach to lossy compression of AVIRIS images", IGARSS 2007.
M. Colom, A. Buades, "Analysis and extension of the Ponomarenko et al. method, estimating a noise
curve from a single image", Image Processing On Line 3 (2013).
A. Foi, "Clipped noisy images: heteroskedastic modeling and practical denoising", Signal Processing
89 (2009). C. Liu et al., "Noise estimation from a single image", CVPR 2006.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from isp.cfa import Cfa
from isp.errors import InputError
from isp.noise.model import NoiseModel, NoiseOrigin

LEAST_SIDE = 32
BLOCK = 6
STRIDE = 3
LOW_FREQUENCIES = 5
"""DCT coefficients with u + v below this (without the mean) tell flatness, the others the noise."""
MOST_BLOCKS = 40_000
"""Per colour plane; larger planes are sampled more sparsely."""
BLOCKS_PER_BIN = 1000
MOST_BINS = 16
FLAT_SHARE = 0.03
LEAST_FLAT = 30
SATURATED = 0.97
"""Blocks brighter than this are left out: where sensors are nearly full they are no longer linear."""
PILED_UP = 1e-3
"""A plane whose extreme value holds this share of its pixels is clipped there."""
ROUNDING = 1e-6
"""Relative accuracy of float32 sums: what varies less is constant."""
MOST_CLIPPED = 0.05
"""Blocks with a larger share of clipped pixels are used only where there are no others."""
ENVELOPE_KNEE = 1.0
"""Excess of a bin over the fit, in standard deviations, beyond which it counts less and less."""
COST_PER_E_FOLD = 0.05
MODEL_SPREAD = 0.03
"""Relative spread of a bin's variance that is not explained by its number of samples."""
PRIOR_DECADES = 1.0


@dataclass(frozen=True)
class FlatBins:
    """Flat places of similar brightness: float64 [K] mean, variance, and the variance's relative spread."""

    mean: np.ndarray
    variance: np.ndarray
    spread: np.ndarray


def estimate_noise(mosaic: np.ndarray, cfa: Cfa) -> NoiseModel:
    """Noise of one capture, told from the capture itself; the same for all colours.

    mosaic: CFA mosaic float32 [H, W], black 0, white 1, values below black kept, before white balance
    and lens shading; any even or odd size from 32x32. The noise must be that of the sensor: white,
    not smoothed, not demosaiced. Quantisation and fixed pattern are part of what is measured.

    Median error over photographs with simulated noise (Kodak 13 to 24, rawbench) and over real captures,
    with the 10th and 90th percentile; sigma is the noise's standard deviation at the median intensity:

    ==========================  ====================  =====
    noise                       shot                  sigma
    ==========================  ====================  =====
    shot 1e-4, read 2e-8        +30 % (+10 .. +70)    +14 %
    shot 4e-4, read 5e-7         +8 % (+3 .. +25)      +5 %
    shot 1.3e-3, read 8e-6       +4 % (-1 .. +9)       +1 %
    shot 4e-3, read 1e-4         +2 % (-7 .. +7)        0 %
    shot 1.2e-2, read 1e-3       -2 % (-11 .. +10)      0 %
    IMX296, three dim scenes     +4 % (-1 .. +10)      -2 %
    EMVA 1288 flats              +8 % (+4 .. +12)      +2 %
    EMVA 1288 dark frames        undetermined          -3 %
    ==========================  ====================  =====

    The cleanest level is overrated because the photographs have grain of their own. Frames whose
    noise is less than half a rounding step, such as dark frames of 10 bits, are underrated: sigma by
    up to 40 %. `benchmarks/noise_estimate.py` makes the table.

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
    planes: dict[int, list[np.ndarray]] = {0: [], 1: [], 2: []}
    for position, channel in enumerate(cfa.channels):
        planes[channel].append(mosaic[position // 2 :: 2, position % 2 :: 2])
    found = [flat_bins(plane) for colour in planes.values() for plane in colour]
    bins = FlatBins(*(np.concatenate([getattr(b, name) for b in found]) for name in ("mean", "variance", "spread")))
    if not len(bins.mean):
        return NoiseModel.uniform(0.0, 0.0, NoiseOrigin.ESTIMATE)
    shot, read = fit_lower_envelope(bins)
    return NoiseModel.uniform(shot, read, NoiseOrigin.ESTIMATE)


def _dct_basis() -> tuple[np.ndarray, np.ndarray]:
    """Rows that turn a flattened block into (mean, low frequencies), and into high frequencies."""
    k, x = np.arange(BLOCK)[:, None], np.arange(BLOCK)[None]
    dct = np.cos(np.pi * (2 * x + 1) * k / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    dct[0] /= math.sqrt(2)
    both = np.kron(dct, dct).astype(np.float32)
    u, v = np.divmod(np.arange(BLOCK * BLOCK), BLOCK)
    low = (u + v < LOW_FREQUENCIES) & (u + v > 0)
    return np.concatenate([both[:1] / BLOCK, both[low]]), both[u + v >= LOW_FREQUENCIES]


def flat_bins(plane: np.ndarray) -> FlatBins:
    """Mean and variance of the flattest blocks of one colour plane [h, w], in bins of equal count."""
    to_flatness, to_noise = _dct_basis()
    blocks = _blocks(plane)
    coefficients = blocks @ to_flatness.T
    mean = np.ascontiguousarray(coefficients[:, 0])
    unevenness = np.einsum("ij,ij->i", coefficients[:, 1:], coefficients[:, 1:])
    floor, ceiling = _clipping_points(plane)
    usable = np.flatnonzero(_visible(plane, mean, unevenness, floor, ceiling))
    order = usable[np.argsort(mean[usable])]

    rows: list[tuple[float, float, float]] = []
    for members in np.array_split(order, _bin_count(mean[order], unevenness[order], len(to_flatness) - 1)):
        count = min(len(members), max(LEAST_FLAT, int(len(members) * FLAT_SHARE)))
        if not count:
            continue
        flattest = members[np.argpartition(unevenness[members], count - 1)[:count]]
        energy = np.square(blocks[flattest] @ to_noise.T).mean(0, dtype=np.float64)
        # The median over frequencies resists texture that repeats; of a chi-square it is below the mean.
        variance = float(np.median(energy)) / (1 - 2 / (9 * count)) ** 3
        centre = float(mean[flattest].mean())
        if variance > (ROUNDING * centre) ** 2:
            centre, variance, kept = _unclipped(centre, variance, floor, ceiling)
            # What clipping took away is restored only roughly: its share counts as uncertainty.
            spread = math.sqrt(3 / (count * len(to_noise)) + MODEL_SPREAD**2 + (1 - kept) ** 2)
            rows.append((centre, variance, spread))
    return FlatBins(*np.array(rows, np.float64).reshape(-1, 3).T)


def _blocks(plane: np.ndarray) -> np.ndarray:
    """Overlapping blocks of a plane, flattened: [N, BLOCK * BLOCK]."""
    stride = max(STRIDE, math.ceil(math.sqrt(plane.size / MOST_BLOCKS)))
    return sliding_window_view(plane, (BLOCK, BLOCK))[::stride, ::stride].reshape(-1, BLOCK * BLOCK)


def _visible(plane: np.ndarray, mean: np.ndarray, unevenness: np.ndarray, floor: float, ceiling: float) -> np.ndarray:
    """Which blocks can show noise: neither constant nor saturated, and not clipped where others aren't."""
    constant = unevenness <= np.square(ROUNDING * BLOCK * mean)
    visible: np.ndarray = (mean < SATURATED) & np.isfinite(unevenness) & ~constant
    if math.isinf(floor) and math.isinf(ceiling):
        return visible
    clipped = ((plane <= floor) | (plane >= ceiling)).astype(np.float32)
    free = _blocks(clipped) @ np.full(BLOCK * BLOCK, 1 / BLOCK**2, np.float32) < MOST_CLIPPED
    return visible & free if (visible & free).any() else visible


def _bin_count(sorted_mean: np.ndarray, unevenness: np.ndarray, frequencies: int) -> int:
    """As many bins as there are blocks for, but none narrower than the noise of a block's mean."""
    if len(sorted_mean) < 2 * BLOCKS_PER_BIN:
        return 1
    low, high = sorted_mean[len(sorted_mean) // 10], sorted_mean[len(sorted_mean) * 9 // 10]
    tenth = len(unevenness) // 10
    noise_of_mean = math.sqrt(float(np.partition(unevenness, tenth)[tenth]) / frequencies) / BLOCK
    return int(np.clip((high - low) / (2.56 * noise_of_mean), 1, min(MOST_BINS, len(sorted_mean) // BLOCKS_PER_BIN)))


def _clipping_points(plane: np.ndarray) -> tuple[float, float]:
    """Values at which the plane is clipped below and above; infinite where it isn't."""
    low, high = float(plane.min()), float(plane.max())
    floor = low if np.count_nonzero(plane == low) > PILED_UP * plane.size else -math.inf
    ceiling = high if np.count_nonzero(plane == high) > PILED_UP * plane.size else math.inf
    return floor, ceiling


@cache
def _censored_normal() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For a unit normal at distance t above a clipping point: t, mean / sd, and variance, once clipped."""
    t = np.linspace(-0.5, 5, 111)
    density = np.exp(-t * t / 2) / math.sqrt(2 * math.pi)
    share = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in t])
    mean = t * share + density
    variance = (1 + t * t) * share + t * density - mean**2
    return t, mean / np.sqrt(variance), variance


def _unclipped(mean: float, variance: float, floor: float, ceiling: float) -> tuple[float, float, float]:
    """Mean and variance before clipping at the nearer clipping point, and the share of variance it kept."""
    t, ratio, kept = _censored_normal()
    below, above = mean - floor, ceiling - mean
    distance = min(below, above) / math.sqrt(variance)
    if distance >= ratio[-1]:
        return mean, variance, 1.0
    share = float(np.interp(distance, ratio, kept))
    true_variance = variance / share
    offset = float(np.interp(distance, ratio, t)) * math.sqrt(true_variance)
    return (floor + offset if below < above else ceiling - offset), true_variance, share


def _cost(bins: FlatBins, shot: np.ndarray, read_to_shot: np.ndarray) -> np.ndarray:
    """Misfit of candidates; `shot` and `read_to_shot` broadcast together to [R, S]."""
    predicted = shot[..., None] * (np.maximum(bins.mean, 0) + read_to_shot[..., None])
    ratio = bins.variance / predicted
    square = np.square((ratio - 1) / bins.spread)
    # Geman and McClure's loss above the line, so that textured bins hardly pull; the logarithm keeps
    # a line beneath nearly all bins from being as good as one through them.
    knee = ENVELOPE_KNEE**2
    above = 0.5 * knee * square / (knee + square) + COST_PER_E_FOLD * np.log(np.maximum(ratio, 1))
    misfit = np.where(ratio < 1, 0.5 * square, above).sum(-1)
    decades = np.log10(shot * read_to_shot) - (2.25 * np.log10(shot) + 1.38)
    return np.asarray(misfit + np.log1p(0.5 * (decades / PRIOR_DECADES) ** 2))


def fit_lower_envelope(bins: FlatBins) -> tuple[float, float]:
    """(shot, read), both positive, of the line beneath the bins.

    The cost has several minima, so the whole plane of (read / shot, shot) is searched, then refined.
    """
    read_to_shot = np.logspace(-6.5, 0.5, 71)[:, None]
    implied = bins.variance / (np.maximum(bins.mean, 0) + read_to_shot)
    low, high = np.log(implied.min(1)) - 0.1, np.log(np.median(implied, 1)) + 0.3
    shot = np.exp(low[:, None] + (high - low)[:, None] * np.linspace(0, 1, 40))
    ratio_step, shot_step = 10**0.1, 1.1
    for _ in range(4):
        cost = _cost(bins, shot, np.broadcast_to(read_to_shot, shot.shape))
        i, j = np.unravel_index(int(np.argmin(cost)), cost.shape)
        # Along the valley of the cost the variance at the bins' middle is what stays.
        middle = float(np.median(np.maximum(bins.mean, 0)))
        best, level = float(read_to_shot[i, 0]), float(shot[i, j]) * (middle + float(read_to_shot[i, 0]))
        read_to_shot = best * ratio_step ** np.linspace(-1, 1, 11)[:, None]
        shot = level * shot_step ** np.linspace(-1, 1, 11) / (middle + read_to_shot)
        ratio_step, shot_step = ratio_step**0.4, shot_step**0.4
    shot_best = level / (middle + best)
    return shot_best, shot_best * best
