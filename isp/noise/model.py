"""The noise model that stages and denoisers share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class NoiseOrigin(StrEnum):
    """Where a noise model came from, in the order in which they are preferred."""

    USER = "given by the user"
    TAG = "the file's NoiseProfile tag"
    CALIBRATION = "a calibration file"
    ESTIMATE = "estimated from the mosaic"


@dataclass(frozen=True)
class NoiseModel:
    """variance(x) = shot * x + read, on linear data with black 0 and white 1.

    The convention of the DNG NoiseProfile tag. `shot` and `read` are per colour (R, G, B): both
    greens share one model, for a difference between them shows as a maze pattern.
    """

    shot: tuple[float, float, float]
    read: tuple[float, float, float]
    origin: NoiseOrigin

    def __post_init__(self) -> None:
        if min(self.shot) < 0 or min(self.read) < 0 or not np.isfinite([*self.shot, *self.read]).all():
            raise ValueError(f"noise model shot={self.shot}, read={self.read}: expected finite values, none negative")

    @classmethod
    def uniform(cls, shot: float, read: float, origin: NoiseOrigin) -> NoiseModel:
        """The same noise for all three colours."""
        return cls((shot,) * 3, (read,) * 3, origin)

    def variance(self, signal: np.ndarray, channel: int) -> np.ndarray:
        """Variance of the noise where the clean signal is `signal`; `channel` indexes (R, G, B)."""
        return self.shot[channel] * np.maximum(signal, 0) + self.read[channel]
