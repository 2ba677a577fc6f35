"""Networks grown from smaller ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from denoiser.network import Architecture, FeatureAlignNetwork
from denoiser.training.growth import grow_into
from isp.errors import ConfigError

SMALL = Architecture((8, 12, 16), (1, 1, 1), (1, 1))


@pytest.mark.parametrize(
    "large",
    [
        SMALL,
        replace(SMALL, coarse_kernel=5),
        replace(SMALL, widths=(12, 16, 24), align_width=16),
        replace(SMALL, encoder_blocks=(2, 1, 3), decoder_blocks=(2, 2)),
        Architecture((16, 24, 40), (2, 2, 4), (2, 2), coarse_kernel=5, expansion=3, align_width=16),
    ],
)
def test_a_grown_network_computes_the_same_and_can_learn(large: Architecture) -> None:
    torch.manual_seed(1)
    small, network = FeatureAlignNetwork(SMALL), FeatureAlignNetwork(large)
    for parameter in small.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    grow_into(network, small.state_dict())
    image = torch.randn(1, 5, 32, 32)
    expected = small(image).detach()
    output = network(image)
    assert torch.allclose(output, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    output.square().mean().backward()
    gradients = network.head.weight.grad
    assert gradients is not None
    assert (gradients.abs().sum((0, 2, 3)) > 0).all()


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (replace(SMALL, widths=(8, 12, 12)), r"encoder\.2"),
        (replace(SMALL, encoder_blocks=(1, 1, 0)), r"encoder\.2\.0"),
        (Architecture((8, 12), (1, 1), (1,)), "expected"),
    ],
)
def test_a_smaller_network_is_refused(other: Architecture, name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        grow_into(FeatureAlignNetwork(other), FeatureAlignNetwork(SMALL).state_dict())
