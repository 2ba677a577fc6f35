"""Networks grown from smaller ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from denoiser.network import Architecture, FeatureAlignNetwork
from denoiser.training.growth import grow_into
from isp.errors import ConfigError

SMALL = Architecture((8, 12, 16), (1, 1, 1), (1, 1))


def test_a_grown_network_computes_the_same() -> None:
    torch.manual_seed(1)
    small, large = FeatureAlignNetwork(SMALL), FeatureAlignNetwork(replace(SMALL, coarse_kernel=5))
    torch.nn.init.normal_(small.head.weight)
    grow_into(large, small.state_dict())
    image = torch.randn(1, 5, 32, 32)
    with torch.no_grad():
        assert torch.allclose(small(image), large(image), atol=1e-4)
    assert large.encoder[1][0].depthwise.weight.shape[-1] == 5


def test_other_widths_are_refused() -> None:
    network = FeatureAlignNetwork(replace(SMALL, widths=(8, 12, 24)))
    with pytest.raises(ConfigError, match=r"encoder\.2"):
        grow_into(network, FeatureAlignNetwork(SMALL).state_dict())
