"""Everything that decides what a training run becomes, and the recipes of the shipped models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from denoiser.network import Architecture
from denoiser.training.guidance import Guidance
from denoiser.training.noise_synthesis import SHOT_RANGE


@dataclass(frozen=True)
class Recipe:
    """A run is a pure function of this, the photographs, the weights it starts from, its teacher, and
    the kind of machine."""

    architecture: Architecture = field(default_factory=Architecture)
    shot_range: tuple[float, float] = SHOT_RANGE
    parent: str | None = None
    """Recipe whose weights a run starts from; None for random ones."""
    guidance: Guidance = field(default_factory=Guidance)
    dark_bias_weight: float = 20.0
    """Of the penalty on a lifted dark; what is enough to keep within a tenth of the noise."""
    steps: int = 45_000
    batch: int = 16
    patch_px: int = 128
    """Side of a training crop, in pixels of the mosaic."""
    learning_rate: float = 2e-3
    """Peak for biases, depthwise kernels and the layers at the image: AdamW."""
    matrix_learning_rate: float = 2e-2
    """Peak for the matrices inside: Muon."""
    warm_up_steps: int = 200
    weight_decay: float = 1e-4
    gradient_norm: float = 1.0
    average_share: float = 0.02
    """Share of the run that the moving average of the weights looks back on; it is what is kept."""
    full_precision_share: float = 0.1
    """Last part of the run in float32; the rest in bfloat16 where the device has it."""
    seed: int = 1

    def as_dict(self) -> dict[str, object]:
        """In the types of JSON, so that it compares with one that was stored."""
        plain = {**asdict(self), "architecture": self.architecture.as_dict()}
        plain["guidance"] = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self.guidance).items()}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


TEACHER = Architecture(widths=(48, 96, 160, 224), encoder_blocks=(2, 2, 4, 6), decoder_blocks=(2, 2, 2), align_width=16)
SUBRANGES = ((5e-5, 2.2e-4), (2.2e-4, 2e-2))
"""Shot noise that each specialist is chosen for. Two: what a specialist gains is where there is little noise, and each
costs a device its memory (docs/training.md)."""
SUBRANGE_OVERLAP = 1.5
"""Factor by which a specialist's training reaches beyond its subrange on either side."""

SMALL = Architecture(widths=(12, 16, 32, 64), encoder_blocks=(1, 1, 1, 2), align_width=4)
"""About half the multiply-accumulates of the universal network."""

_UNIVERSAL = Recipe()
_SMALL = replace(_UNIVERSAL, architecture=SMALL, dark_bias_weight=240.0)
_TEACHER = replace(_UNIVERSAL, architecture=TEACHER, steps=10_000, batch=8, learning_rate=1e-3)


def _specialists(family: str, parent: str, base: Recipe) -> dict[str, Recipe]:
    fine_tuning = replace(
        base, parent=parent, steps=2_000, learning_rate=5e-4, matrix_learning_rate=5e-3, warm_up_steps=50
    )
    return {
        f"{family}-{number}": replace(fine_tuning, shot_range=(low / SUBRANGE_OVERLAP, high * SUBRANGE_OVERLAP))
        for number, (low, high) in enumerate(SUBRANGES, 1)
    }


RECIPES: Mapping[str, Recipe] = {
    "teacher": _TEACHER,
    "universal": _UNIVERSAL,
    **_specialists("specialist", "universal", _UNIVERSAL),
    "small": _SMALL,
    **_specialists("small", "small", _SMALL),
}
