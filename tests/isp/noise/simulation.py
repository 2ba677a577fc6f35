"""Mosaics with known noise."""

from __future__ import annotations

import numpy as np


def ramp_scene(height: int, width: int, low: float, high: float, seed: int = 0) -> np.ndarray:
    """Smooth patches of many intensities with sharp edges and a textured quarter, float32 [H, W]."""
    rng = np.random.default_rng(seed)
    patches = rng.uniform(low, high, (-(-height // 48), -(-width // 48)))
    scene = np.kron(patches, np.ones((48, 48)))[:height, :width]
    texture = rng.uniform(-0.1, 0.1, (height, width)) * scene
    texture[:, width // 4 :] = 0
    return (scene + texture).clip(0, 1).astype(np.float32)


def noisy(clean: np.ndarray, shot: float, read: float, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (clean + rng.normal(size=clean.shape) * np.sqrt(shot * clean + read)).astype(np.float32)


def quantised(mosaic: np.ndarray, step: float) -> np.ndarray:
    """Rounded to whole steps, as a converter does, float32."""
    return (np.rint(mosaic / step) * step).astype(np.float32)
