"""Noise of a mosaic's flattest blocks, per intensity.

Each colour plane is cut into overlapping 6x6 blocks. The flattest are chosen, and the noise is measured from
the energy of their highest DCT frequencies, where texture has the least (Ponomarenko et al. 2007; Colom and
Buades 2013). There, flatness is told from the low frequencies of the same block, of which white noise is
independent. Rounding ties them together: where noise is narrower than a step, the flattest blocks are those
in which by chance all pixels were rounded to the same value. Here, flatness is therefore told from the
blocks of the other three planes at the same place. Texture is common to all colours, noise is not, whatever
its distribution.

In each intensity bin, the flattest blocks give one (mean, variance), from which what clipping and rounding
did to the noise is undone.

References
----------
N. Ponomarenko et al., "An automatic approach to lossy compression of AVIRIS images", IGARSS 2007.
M. Colom, A. Buades, "Analysis and extension of the Ponomarenko et al. method, estimating a noise
curve from a single image", Image Processing On Line 3 (2013).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from isp.noise.clipping import ClippingPoints, clipping_points, unclipped
from isp.noise.quantisation import unrounded

BLOCK = 6
STRIDE = 3
HIGH_FREQUENCIES = 7
"""DCT coefficients with u + v from this on tell the noise."""
MOST_BLOCKS = 40_000
"""Per colour plane; larger planes are sampled more sparsely."""
BLOCKS_PER_BIN = 1000
MOST_BINS = 16
FLAT_SHARE = 0.05
LEAST_FLAT = 30
SATURATED = 0.97
"""Blocks brighter than this are left out: where sensors are nearly full they are no longer linear."""
DARK = 0.01
"""Blocks are as uneven as their shot noise lets them be; below this intensity, other noise prevails."""
ROUNDING = 1e-6
"""Relative accuracy of float32 sums: what varies less is constant."""
MOST_CLIPPED = 0.05
"""Blocks with a larger share of clipped pixels are used only where there are no others."""
MODEL_SPREAD = 0.03
"""Relative spread of a bin's variance that is not explained by its number of samples."""


@dataclass(frozen=True)
class FlatBins:
    """Flat places of similar brightness: float64 [K] mean, variance, and the variance's relative spread.

    The variance includes that of quantisation, step^2 / 12.
    """

    mean: np.ndarray
    variance: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class _Blocks:
    """Blocks of one plane: float32 [N, BLOCK * BLOCK] pixels about their mean, [N] mean and variance.

    `visible`, bool [N]: can show noise. `blind`, bool [N]: too bright to show texture.
    """

    pixels: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    visible: np.ndarray
    blind: np.ndarray
    clipping: ClippingPoints


def flat_bins(planes: Sequence[np.ndarray], step: float) -> FlatBins:
    """Of the colour planes [h, w] of one mosaic, quantised by `step` (0 if it isn't), in bins of equal count.

    The planes may differ in size by one row or column.
    """
    height, width = min(p.shape[0] for p in planes), min(p.shape[1] for p in planes)
    found = [_measured(np.ascontiguousarray(plane[:height, :width]), step) for plane in planes]
    unevenness = [blocks.variance / np.maximum(blocks.mean, DARK) for blocks in found]
    rows: list[tuple[float, float, float]] = []
    for at, blocks in enumerate(found):
        of_others = np.sum([u for other, u in enumerate(unevenness) if other != at], axis=0)
        judged = blocks.visible & ~np.any([b.blind for b in found], axis=0)
        rows += _noise_per_bin(blocks, np.flatnonzero(judged if judged.any() else blocks.visible), of_others, step)
    return FlatBins(*np.array(rows, np.float64).reshape(-1, 3).T)


def _noise_per_bin(
    blocks: _Blocks, usable: np.ndarray, unevenness: np.ndarray, step: float
) -> list[tuple[float, float, float]]:
    """(mean, variance, spread) of the flattest blocks in each bin of one plane."""
    to_noise = _high_frequencies()
    mean = blocks.mean[usable]
    edges = np.linspace(0, len(usable), _bin_count(mean, blocks.variance[usable]) + 1).astype(int)[1:-1]
    by_brightness = usable[np.argpartition(mean, edges)] if len(edges) else usable
    rows: list[tuple[float, float, float]] = []
    for members in np.split(by_brightness, edges):
        count = min(len(members), max(LEAST_FLAT, int(len(members) * FLAT_SHARE)))
        if not count:
            continue
        flattest = members[np.argpartition(unevenness[members], count - 1)[:count]]
        energy = np.square(blocks.pixels[flattest] @ to_noise.T).mean(0, dtype=np.float64)
        # The median over frequencies resists texture that repeats; of a chi-square it is below the mean.
        variance = float(np.median(energy)) / (1 - 2 / (9 * count)) ** 3
        centre = float(blocks.mean[flattest].mean())
        if variance > (ROUNDING * centre) ** 2:
            centre, variance, kept = unclipped(centre, variance, blocks.clipping, step)
            variance, leverage, unsure = unrounded(variance, step)
            # What clipping took away is restored only roughly: its share counts as uncertainty.
            sampled = 3 / (count * len(to_noise)) + MODEL_SPREAD**2 + (1 - kept) ** 2
            rows.append((centre, variance, math.hypot(leverage * math.sqrt(sampled), unsure)))
    return rows


def _measured(plane: np.ndarray, step: float) -> _Blocks:
    pixels = _cut(plane)
    average = np.full(BLOCK * BLOCK, 1 / BLOCK**2, np.float32)
    mean = pixels @ average
    pixels -= mean[:, None]
    variance = np.einsum("ij,ij->i", pixels, pixels) / (BLOCK**2 - 1)
    clipping = clipping_points(plane, step)
    blind = mean >= SATURATED
    # Constant blocks are no capture's, or clipped.
    visible = ~blind & np.isfinite(variance) & (variance > np.square(ROUNDING * mean))
    if clipping.exist:
        free = _cut(clipping.reached(plane).astype(np.float32)) @ average < MOST_CLIPPED
        blind |= ~free & (mean > 0.5)
        visible = visible & free if (visible & free).any() else visible
    return _Blocks(pixels, mean, variance, visible, blind, clipping)


def _cut(plane: np.ndarray) -> np.ndarray:
    """Overlapping blocks of a plane, flattened, copied: [N, BLOCK * BLOCK]."""
    stride = max(STRIDE, math.ceil(math.sqrt(plane.size / MOST_BLOCKS)))
    return sliding_window_view(plane, (BLOCK, BLOCK))[::stride, ::stride].reshape(-1, BLOCK * BLOCK)


def _high_frequencies() -> np.ndarray:
    """Rows that turn a flattened block into its highest DCT frequencies."""
    k, x = np.arange(BLOCK)[:, None], np.arange(BLOCK)[None]
    dct = np.cos(np.pi * (2 * x + 1) * k / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    dct[0] /= math.sqrt(2)
    u, v = np.divmod(np.arange(BLOCK * BLOCK), BLOCK)
    return np.kron(dct, dct).astype(np.float32)[u + v >= HIGH_FREQUENCIES]


def _bin_count(mean: np.ndarray, variance: np.ndarray) -> int:
    """As many bins as there are blocks for, but none narrower than the noise of a block's mean."""
    if len(mean) < 2 * BLOCKS_PER_BIN:
        return 1
    tenth = len(mean) // 10
    ordered = np.partition(mean, (tenth, len(mean) - tenth))
    noise_of_mean = math.sqrt(float(np.partition(variance, tenth)[tenth])) / BLOCK
    widths = (ordered[-tenth] - ordered[tenth]) / (2.56 * noise_of_mean)
    return int(np.clip(widths, 1, min(MOST_BINS, len(mean) // BLOCKS_PER_BIN)))
