"""The network's budget, its operations, and the receptive field that tiling relies on."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from denoiser.network import INPUT_CHANNELS, Architecture, FeatureAlignNetwork, complexity, receptive_field

EMBEDDED_LAYERS = {"Conv2d", "Sequential", "ModuleList", "ResidualBlock", "FeatureAlign", "FeatureAlignNetwork"}
EMBEDDED_OPERATIONS = {"conv2d", "relu", "clamp", "add", "mul", "pixel_shuffle"}


def _random_network() -> FeatureAlignNetwork:
    """Every weight away from zero, the layers that start as the identity too."""
    torch.manual_seed(3)
    network = FeatureAlignNetwork()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    return network.eval().double()


def test_budget() -> None:
    cost = complexity(FeatureAlignNetwork())
    assert cost.parameters <= 161_000
    assert cost.mac_per_raw_pixel <= 2_670


def test_complexity_of_a_network_counted_by_hand() -> None:
    network = FeatureAlignNetwork(Architecture((4,), (1,), (), expansion=2, align_width=3))
    stem, head = 5 * 4 * 9, 4 * 4 * 9
    block = 4 * 9 + 4 * 8 + 8 * 4
    align = 5 * 3 + 3 * 4 + 3 * 4
    biases = 4 + 4 + (4 + 8 + 4) + (3 + 4 + 4)
    cost = complexity(network)
    assert cost.mac_per_raw_pixel == (stem + head + block + align) / 4
    assert cost.parameters == stem + head + block + align + biases


def test_only_operations_that_embedded_compilers_take() -> None:
    network = FeatureAlignNetwork().eval()
    assert {type(m).__name__ for m in network.modules()} <= EMBEDDED_LAYERS
    program = torch.export.export(network, (torch.zeros(1, INPUT_CHANNELS, 64, 64),))
    called = {str(n.target).split(".")[1] for n in program.graph.nodes if n.op == "call_function"}
    assert called <= EMBEDDED_OPERATIONS, called - EMBEDDED_OPERATIONS


def test_starts_as_the_identity() -> None:
    image = torch.randn(1, INPUT_CHANNELS, 32, 32)
    assert not FeatureAlignNetwork()(image).any()


@pytest.mark.parametrize("architecture", [Architecture(), Architecture((4, 4), (2, 1), (1,))])
def test_nothing_beyond_the_receptive_field_matters(architecture: Architecture) -> None:
    torch.manual_seed(0)
    network = FeatureAlignNetwork(architecture)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    network.double()
    radius, stride = receptive_field(architecture), architecture.stride
    size = 2 * radius + 4 * stride
    image = torch.randn(1, INPUT_CHANNELS, size, size, dtype=torch.double, requires_grad=True)
    at = size // 2
    network(image)[0, :, at : at + stride, at : at + stride].sum().backward()
    reached = image.grad[0].abs().sum(0).nonzero()
    assert reached.min() >= at - radius
    assert reached.max() < at + stride + radius


def test_gamma_is_bounded() -> None:
    network = _random_network()
    align = network.encoder_align[0]
    features = torch.ones(1, network.architecture.widths[0], 8, 8, dtype=torch.double)
    image = 1e3 * torch.randn(1, INPUT_CHANNELS, 8, 8, dtype=torch.double)
    hidden = torch.relu(align.image(image))
    gamma = align(features, image) - align.beta(hidden)
    assert gamma.min() >= -1e-9
    assert gamma.max() <= 2 + 1e-9


def test_architecture_refuses_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="4 widths"):
        Architecture((16, 24, 48, 80), (1, 1), (1,))
    assert Architecture.from_dict(Architecture().as_dict()) == Architecture()
