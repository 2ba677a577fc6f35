"""A network small enough to make golden tiles of within a second."""

from __future__ import annotations

import torch

from denoiser.network import Architecture, FeatureAlignNetwork

SHOT_RANGE = (5e-5, 2e-2)


def tiny_network() -> FeatureAlignNetwork:
    """Random weights all over, so that every layer tells in the output; the same at every call."""
    torch.manual_seed(3)
    network = FeatureAlignNetwork(Architecture(widths=(4, 4, 4, 4), encoder_blocks=(1, 1, 1, 1), align_width=4))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.eval().requires_grad_(False)
