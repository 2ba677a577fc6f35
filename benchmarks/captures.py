"""Synthesised captures of any size, for benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isp.cfa import Cfa
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.readers import read
from isp.sample import SAMPLE
from isp.writers.cfa_dng import write_cfa_dng


def write_capture(path: Path, megapixels: float) -> tuple[int, int]:
    """A DNG of about that size, 4:3, that repeats the sample capture; returns its height and width.

    Uncompressed 16 bits, with a NoiseProfile, so that what is measured is the same for every reader.
    """
    sample = read(SAMPLE)
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5 / 2) * 2
    width = round(height * 4 / 3 / 2) * 2
    black = float(np.mean(sample.black.pattern))
    linear = ((sample.mosaic.astype(np.float32) - black) / (sample.white - black)).astype(np.float32)
    repeats = (-(-height // linear.shape[0]), -(-width // linear.shape[1]))
    mosaic = np.tile(linear, repeats)[:height, :width]
    noise = sample.noise or NoiseModel.uniform(4e-3, 9.6e-5, NoiseOrigin.USER)
    preview = np.full((96, 128, 3), 128, np.uint8)
    assert sample.cfa in tuple(Cfa)
    write_cfa_dng(path, sample, mosaic, noise=noise, preview=preview, noise_reduction_applied=0.0)
    return height, width
