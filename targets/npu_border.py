"""What an NPU's integers stand for: the network's answer put on the mosaic, in NumPy.

`firmware_hooks/src/fan_npu.c` does this on the board (`fan_npu_take`), `denoiser/normalisation.py` says why.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from targets.golden import GoldenTile
from targets.npu_bundle import NpuSpecialist

# As in denoiser/normalisation.py, which needs PyTorch.
SHOT_FLOOR: Final = 2e-5
SHOT_IN_READ: Final = 4.0
NO_NOISE: Final = 1e-12
STABILISED_SCALE: Final = 16.0
DEEPEST_SIGMAS: Final = 8.0
RESIDUAL_SIGMAS: Final = 4.0
_COLOURS: Final = ((0, 1), (1, 2))
"""Of the mosaic's 2 x 2 pixels."""


def input_step_sigmas(specialist: NpuSpecialist) -> float:
    """What one step of the network's input amounts to, in standard deviations of the noise."""
    return specialist.input.step * STABILISED_SCALE


def noise_sigmas(tile: GoldenTile) -> np.ndarray:
    """Standard deviation of each pixel's noise, float64 [H, W], by the noise that the network is told of."""
    sigmas = np.empty(tile.noisy.shape)
    for row in range(2):
        for column in range(2):
            shot, read = tile.shot[_COLOURS[row][column]], tile.read[_COLOURS[row][column]]
            values = np.maximum(tile.noisy[row::2, column::2].astype(np.float64), 0)
            sigmas[row::2, column::2] = np.sqrt(shot * values + read)
    return sigmas


def restored(specialist: NpuSpecialist, tile: GoldenTile, answer: np.ndarray) -> np.ndarray:
    """A tile without its noise, float32 [H, W].

    answer: the NPU's integers for the tile, in the shape and layout of the specialist's output.
    """
    planes = answer[0] if specialist.layout == "nhwc" else answer[0].transpose(1, 2, 0)
    output = np.empty_like(tile.noisy)
    for row in range(2):
        for column in range(2):
            shot, read = tile.shot[_COLOURS[row][column]], tile.read[_COLOURS[row][column]]
            values = tile.noisy[row::2, column::2].astype(np.float64)
            excess = max(SHOT_FLOOR / (max(shot, NO_NOISE) + SHOT_IN_READ * read), 1.0)
            zero = math.sqrt(0.375 * (max(shot, NO_NOISE) * excess) ** 2 + read * excess)
            sigma = np.sqrt((shot * np.maximum(values, 0) + read) / excess)
            residual = planes[..., 2 * row + column] * specialist.output.step
            known = values >= -DEEPEST_SIGMAS * zero
            output[row::2, column::2] = values + residual * known * RESIDUAL_SIGMAS * sigma
    return output
