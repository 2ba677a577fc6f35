"""What a trained, frozen teacher adds to the loss of a student.

Feature Matching Loss: the teacher's encoder looks at the student's output and at a target; the distance
between what it sees, at several depths, is a content loss that knows what matters in a mosaic. Output
distillation: the distance to the teacher's output itself.

References
----------
"Feature-Align Network with Knowledge Distillation for Efficient Denoising", arXiv 2103.01524: the Feature
Matching Loss. J. Johnson, A. Alahi, L. Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and
Super-Resolution", ECCV 2016: losses on the features of a fixed network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from denoiser.network import FeatureAlignNetwork
from denoiser.normalisation import apply_residual, network_input
from denoiser.training.noise_synthesis import NoisyBatch

FeatureTarget = Literal["clean", "teacher"]


@dataclass(frozen=True)
class Guidance:
    """Weights of a teacher's terms beside the loss on the clean image, and where its features are taken.

    feature_depths: scales of the teacher's encoder, 0 the finest. feature_target: features of the clean
    image, or of the teacher's own output.
    """

    output_weight: float = 0.0
    feature_weight: float = 0.0
    feature_depths: tuple[int, ...] = (0, 1, 2)
    feature_target: FeatureTarget = "clean"

    @property
    def needs_teacher_output(self) -> bool:
        return self.output_weight > 0 or (self.feature_weight > 0 and self.feature_target == "teacher")


class Teacher:
    """A frozen network that judges a student's output."""

    def __init__(self, network: FeatureAlignNetwork, guidance: Guidance) -> None:
        self.network = network.eval().requires_grad_(False)
        self.guidance = guidance

    def output(self, batch: NoisyBatch) -> Tensor:
        """The teacher's own answer, in the domain of `batch.clean`."""
        image = network_input(batch.noisy, batch.told_shot, batch.told_read)
        residual = self.network(image.contiguous(memory_format=torch.channels_last))
        return apply_residual(batch.noisy, residual.float(), batch.told_shot, batch.told_read)

    def features(self, planes: Tensor, batch: NoisyBatch) -> list[Tensor]:
        """What the encoder sees in planes [N, 4, H, W], told of the batch's noise, at each depth asked for."""
        image = network_input(planes, batch.shot, batch.read).contiguous(memory_format=torch.channels_last)
        _, features = self.network.encode(image, max(self.guidance.feature_depths) + 1)
        return [features[depth].float() for depth in self.guidance.feature_depths]

    def loss(self, output: Tensor, batch: NoisyBatch) -> Tensor:
        """The guidance's terms for a student's output; each is a mean absolute difference, relative to the noise
        (outputs) or to the size of the target's features (features)."""
        guidance = self.guidance
        total = output.new_zeros(())
        with torch.no_grad():
            own = self.output(batch) if guidance.needs_teacher_output else batch.clean
        if guidance.output_weight > 0:
            sigma = (batch.shot * batch.clean + batch.read).sqrt()
            total = total + guidance.output_weight * ((output - own).abs() / sigma).mean()
        if guidance.feature_weight > 0:
            with torch.no_grad():
                wanted = self.features(own if guidance.feature_target == "teacher" else batch.clean, batch)
            pairs = zip(self.features(output, batch), wanted, strict=True)
            distances = [(seen - target).abs().mean() / target.abs().mean() for seen, target in pairs]
            total = total + guidance.feature_weight * torch.stack(distances).mean()
        return total
