"""What is denoised in a comparison, and the float64 answers that every engine's own is held against."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from denoiser.denoise import PLANE_COLOURS, NoisePerColour
from denoiser.evaluation.scenes import read_variance
from denoiser.network import FeatureAlignNetwork
from denoiser.normalisation import apply_residual, network_input
from denoiser.packing import pack, unpack
from isp.cfa import Cfa

TOLERANCE = 1e-3
"""Largest error of an engine that is timed: float32 stays two orders below it, half precision does not."""


@dataclass(frozen=True)
class Scene:
    """A noisy mosaic, RGGB of height x width, as `.npy` files: as it is, and packed and normalised for the peers.

    residual: what the network makes of it, float64 [1, 4, H/2, W/2]. clean: the mosaic with that, float64 [H, W].
    """

    height: int
    width: int
    noise: NoisePerColour
    mosaic: Path
    planes: Path
    residual: np.ndarray
    clean: np.ndarray

    def residual_error(self, found: np.ndarray) -> float:
        """Largest error of a residual, in the network's units: 4 standard deviations of the noise."""
        return _largest_error(found, self.residual)

    def mosaic_error(self, found: np.ndarray, border_px: int = 0) -> float:
        """Largest error of a denoised mosaic, white 1. border_px: not looked at on each side."""
        inner = (slice(border_px, self.height - border_px), slice(border_px, self.width - border_px))
        if found.shape != self.clean.shape:
            return float("inf")
        return _largest_error(found[inner], self.clean[inner])


def make(network: FeatureAlignNetwork, height: int, width: int, shot: float, folder: Path) -> Scene:
    """A scene whose sides are multiples of 16, and its files in a folder."""
    read = read_variance(shot)
    mosaic = _noisy_mosaic(height, width, shot, read)
    noise = NoisePerColour((shot,) * 3, (read,) * 3)
    planes = pack(mosaic, Cfa.RGGB).double()
    per_plane = [
        torch.tensor([values[colour] for colour in PLANE_COLOURS], dtype=torch.float64)[None, :, None, None]
        for values in (noise.shot, noise.read)
    ]
    image = network_input(planes, *per_plane)
    with torch.inference_mode():
        residual = network.double()(image)
    clean = unpack(apply_residual(planes, residual, *per_plane), Cfa.RGGB)
    files = (folder / f"mosaic-{width}x{height}.npy", folder / f"planes-{width}x{height}.npy")
    for path, values in zip(files, (mosaic, image.float().contiguous().numpy()), strict=True):
        np.save(path, values)
    return Scene(height, width, noise, *files, residual.numpy(), clean)


def _noisy_mosaic(height: int, width: int, shot: float, read: float) -> np.ndarray:
    """Waves from fine to broad, with the noise that the denoiser is told of, float32."""
    y, x = np.ogrid[:height, :width]
    light = 0.4 + 0.2 * np.sin(x / 3 + y / 7) * np.cos(y / 50) + 0.2 * np.sin(x / 90 - y / 40)
    sigma = np.sqrt(shot * light + read)
    noise = np.random.default_rng(0).standard_normal((height, width), np.float32)
    return (light + sigma * noise).astype(np.float32)


def _largest_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Infinite for another shape, and where a value is not finite."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found - expected).max())
