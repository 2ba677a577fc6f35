"""Everything that decides what a training run becomes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from denoiser.network import Architecture
from denoiser.training.noise_synthesis import SHOT_RANGE


@dataclass(frozen=True)
class Recipe:
    """A run is a pure function of this, the photographs and the kind of machine."""

    architecture: Architecture = field(default_factory=Architecture)
    shot_range: tuple[float, float] = SHOT_RANGE
    steps: int = 45_000
    batch: int = 16
    patch_px: int = 128
    """Side of a training crop, in pixels of the mosaic."""
    learning_rate: float = 2e-3
    warm_up_steps: int = 200
    weight_decay: float = 1e-4
    gradient_norm: float = 1.0
    average_decay: float = 0.999
    """Of the exponential moving average of the weights, which is what is kept."""
    full_precision_share: float = 0.1
    """Last part of the run in float32; the rest in bfloat16 where the device has it."""
    seed: int = 1

    def as_dict(self) -> dict[str, object]:
        return {**asdict(self), "architecture": self.architecture.as_dict(), "shot_range": list(self.shot_range)}
