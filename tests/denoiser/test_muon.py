"""The optimiser for matrices: what orthogonalising does, and that it learns."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from denoiser.network import FeatureAlignNetwork
from denoiser.training.muon import Muon, orthogonalised, split_parameters


@pytest.mark.parametrize("shape", [(3, 24, 16), (2, 16, 64), (1, 160, 144)])
def test_singular_values_come_near_one_and_directions_stay(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    result = orthogonalised(matrices)
    assert result.shape == matrices.shape
    values = torch.linalg.svdvals(result)
    assert 0.5 < float(values.min()) <= float(values.max()) < 1.3
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    assert torch.allclose(
        u.mT @ result @ v.mT, torch.diag_embed(values.mean(1, keepdim=True).expand(-1, values.shape[1])), atol=0.5
    )


def test_parameters_are_split_without_loss() -> None:
    network = FeatureAlignNetwork()
    matrices, rest = split_parameters(network)
    assert sum(p.numel() for p in (*matrices, *rest)) == sum(p.numel() for p in network.parameters())
    ours = {id(p) for p in matrices}
    assert id(network.encoder[0][0].widen.weight) in ours
    for outside in (network.stem.weight, network.head.weight, network.encoder[0][0].depthwise.weight):
        assert id(outside) not in ours


def test_a_step_has_the_stated_size_whatever_the_gradient() -> None:
    layer = nn.Conv2d(16, 16, 1, bias=False)
    before = layer.weight.detach().clone()
    layer.weight.grad = 1e-6 * torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(2))
    Muon([layer.weight], lr=0.1).step()
    moved = (layer.weight.detach() - before).flatten(1)
    assert 0.06 < float(torch.linalg.matrix_norm(moved, 2)) < 0.13


def test_it_solves_a_badly_scaled_problem() -> None:
    generator = torch.Generator().manual_seed(3)
    wanted = torch.randn(8, 8, generator=generator) / 3
    scale = torch.logspace(0, -2, 8)
    weight = nn.Parameter(torch.zeros(8, 8, 1, 1))
    optimiser = Muon([weight], lr=0.02)
    for _ in range(300):
        inputs = torch.randn(64, 8, generator=generator) * scale
        optimiser.zero_grad()
        (inputs @ (weight[:, :, 0, 0] - wanted).T).square().mean().backward()
        optimiser.step()
    error = (weight[:, :, 0, 0].detach() - wanted).abs().max()
    assert float(error) < 0.1
