"""Weights of a network as the start of a larger one that computes the same.

What the larger network has more of starts as random weights that nothing old listens to: new channels are
computed, but their weights into old ones are zero; new blocks add zero to their input; larger kernels
have zeros around the old ones. So it begins where the smaller one ended, and learns from there what to do
with the rest.

References
----------
T. Chen, I. Goodfellow, J. Shlens, "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from denoiser.network import FeatureAlignNetwork, ResidualBlock
from isp.errors import ConfigError


def grow_into(network: FeatureAlignNetwork, weights: Mapping[str, Tensor]) -> None:
    """Starts `network`, freshly made, from `weights` of one of as many scales, none of them larger.

    Raises ConfigError where something in the weights is larger, or has no place in the network.
    """
    grown = network.state_dict()
    for name, small in weights.items():
        large = grown.get(name)
        if large is None or any(a > b for a, b in zip(small.shape, large.shape, strict=True)):
            raise ConfigError(
                f"weights to start from: {name} is {tuple(small.shape)}",
                expected=f"at most {tuple(large.shape)}" if large is not None else "none of that name",
                remedy="start from weights of a network of as many scales that is nowhere larger",
            )
        _embed(small, large)
    with torch.no_grad():
        for name, block in network.named_modules():
            if isinstance(block, ResidualBlock) and f"{name}.narrow.weight" not in weights:
                block.narrow.weight.zero_()
                block.narrow.bias.zero_()  # type: ignore[union-attr]


def _embed(small: Tensor, large: Tensor) -> None:
    """Puts a small weight or bias into a large one, in place; sums over what is new come out as zero."""
    outputs = small.shape[0]
    if small.ndim == 1:
        large[:outputs] = small
        return
    margin = (large.shape[-1] - small.shape[-1]) // 2
    inner = slice(margin, margin + small.shape[-1])
    large[:outputs] = 0
    large[:outputs, : small.shape[1], inner, inner] = small
