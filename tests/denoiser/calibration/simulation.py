"""Frames of a simulated sensor with known noise, in digital numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sensor:
    """gain_dn: DN per electron. Patterns are standard deviations, the response's relative."""

    gain_dn: float = 0.5
    read_dn: float = 2.0
    black_dn: float = 64.0
    white_dn: float = 4095.0
    row_dn: float = 0.0
    dark_pattern_dn: float = 0.0
    response_pattern: float = 0.0
    seed: int = 3

    def frames(self, scene_dn: np.ndarray, count: int, flicker: float = 0.0, seed: int = 0) -> np.ndarray:
        """uint16 [count, H, W] of a scene in DN above black; the fixed patterns depend on `self.seed` only."""
        fixed = np.random.default_rng(self.seed)
        response = 1 + self.response_pattern * fixed.normal(size=scene_dn.shape)
        offset = self.dark_pattern_dn * fixed.normal(size=scene_dn.shape)
        rng = np.random.default_rng(seed)
        taken = []
        for _ in range(count):
            light = scene_dn * response * (1 + flicker * rng.normal())
            signal = rng.poisson(np.maximum(light, 0) / self.gain_dn) * self.gain_dn
            rows = self.row_dn * rng.normal(size=(len(scene_dn), 1))
            noisy = signal + self.black_dn + offset + rows + self.read_dn * rng.normal(size=scene_dn.shape)
            taken.append(np.clip(np.rint(noisy), 0, self.white_dn))
        return np.array(taken, np.uint16)

    @property
    def span_dn(self) -> float:
        return self.white_dn - self.black_dn

    @property
    def shot(self) -> float:
        return self.gain_dn / self.span_dn

    @property
    def read(self) -> float:
        return (self.read_dn**2 + self.row_dn**2 + 1 / 12) / self.span_dn**2
