"""Guidance by a teacher: each term is zero where it should be and pulls where it should."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from denoiser.network import Architecture, FeatureAlignNetwork
from denoiser.training.guidance import Guidance, Teacher
from denoiser.training.noise_synthesis import NoisyBatch, corrupt


@pytest.fixture
def network() -> FeatureAlignNetwork:
    torch.manual_seed(4)
    network = FeatureAlignNetwork(Architecture((8, 12, 16), (1, 1, 1), (1, 1)))
    torch.nn.init.normal_(network.head.weight, std=0.02)
    return network


@pytest.fixture
def batch() -> NoisyBatch:
    generator = torch.Generator().manual_seed(5)
    return corrupt(torch.rand(2, 4, 16, 16, generator=generator), generator)


def _loss(network: FeatureAlignNetwork, guidance: Guidance, output: Tensor, batch: NoisyBatch) -> float:
    return float(Teacher(network, guidance).loss(output, batch))


def test_matching_the_clean_image_costs_nothing(network: FeatureAlignNetwork, batch: NoisyBatch) -> None:
    guidance = Guidance(feature_weight=1.0)
    assert _loss(network, guidance, batch.clean, batch) == 0
    assert _loss(network, guidance, batch.noisy, batch) > 0.01


@pytest.mark.parametrize(
    "guidance", [Guidance(output_weight=1.0), Guidance(feature_weight=1.0, feature_target="teacher")]
)
def test_answering_as_the_teacher_costs_nothing(
    network: FeatureAlignNetwork, batch: NoisyBatch, guidance: Guidance
) -> None:
    own = Teacher(network, guidance).output(batch)
    assert _loss(network, guidance, own, batch) == 0
    assert _loss(network, guidance, batch.clean, batch) > 0.001


def test_each_depth_counts_by_itself(network: FeatureAlignNetwork, batch: NoisyBatch) -> None:
    single = [_loss(network, Guidance(feature_weight=1.0, feature_depths=(d,)), batch.noisy, batch) for d in range(3)]
    together = _loss(network, Guidance(feature_weight=1.0), batch.noisy, batch)
    assert together == pytest.approx(sum(single) / 3, rel=1e-5)
    assert len(set(single)) == 3


def test_the_student_learns_and_the_teacher_does_not(network: FeatureAlignNetwork, batch: NoisyBatch) -> None:
    teacher = Teacher(network, Guidance(output_weight=1.0, feature_weight=1.0))
    output = batch.noisy.clone().requires_grad_()
    teacher.loss(output, batch).backward()
    assert output.grad is not None
    assert float(output.grad.abs().sum()) > 0
    assert all(p.grad is None for p in network.parameters())
