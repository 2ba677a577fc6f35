"""Weights of a network as the start of a larger one that computes the same.

References
----------
T. Chen, I. Goodfellow, J. Shlens, "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from denoiser.network import FeatureAlignNetwork
from isp.errors import ConfigError


def grow_into(network: FeatureAlignNetwork, weights: Mapping[str, Tensor]) -> None:
    """Loads `weights` of a network of the same widths and depths, whose depthwise kernels may be smaller.

    A smaller kernel sits in the middle of the larger one, with zeros around it. Raises ConfigError where
    the networks differ in anything else.
    """
    grown = dict(weights)
    for name, wanted in network.state_dict().items():
        kernel = grown.get(name)
        if kernel is None or kernel.shape[:2] != wanted.shape[:2]:
            raise ConfigError(
                f"weights to start from: {name} is {'missing' if kernel is None else tuple(kernel.shape)}",
                expected=f"{tuple(wanted.shape)}, or smaller depthwise kernels",
                remedy="start from weights of the same widths and depths",
            )
        margin = (wanted.shape[-1] - kernel.shape[-1]) // 2 if kernel.ndim == 4 else 0
        if margin:
            grown[name] = functional.pad(kernel, [margin] * 4)
    with torch.no_grad():
        network.load_state_dict(grown)
