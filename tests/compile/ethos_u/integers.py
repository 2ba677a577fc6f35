"""Quantised networks executed by numpy in whole numbers, straight from the definitions of TOSA's operators."""

from __future__ import annotations

import numpy as np

from compile.ethos_u.integer_graph import (
    Add,
    Convolution,
    DepthToSpace,
    Image,
    IntegerNetwork,
    Multiply,
    Scale,
    Tensor,
)


def executed(network: IntegerNetwork, image: np.ndarray) -> np.ndarray:
    """The output for an image [C, H, W], int64."""
    made: dict[Tensor, np.ndarray] = {}
    largest = int(np.iinfo(network.precision.activation).max)
    for tensor in network.ordered():
        if isinstance(tensor, Image):
            made[tensor] = image.astype(np.int64)
        elif isinstance(tensor, Convolution):
            made[tensor] = np.clip(convolved(tensor, made[tensor.source], largest), tensor.low, tensor.high)
        elif isinstance(tensor, Add):
            made[tensor] = saturated(rescaled(made[tensor.left] + made[tensor.right], tensor.scale), largest)
        elif isinstance(tensor, Multiply):
            made[tensor] = saturated(rescaled(made[tensor.left] * made[tensor.right], tensor.scale), largest)
        else:
            assert isinstance(tensor, DepthToSpace)
            channels, height, width = made[tensor.source].shape
            split = made[tensor.source].reshape(channels // 4, 2, 2, height, width)
            made[tensor] = split.transpose(0, 3, 1, 4, 2).reshape(channels // 4, 2 * height, 2 * width)
    return made[network.output]


def convolved(layer: Convolution, source: np.ndarray, largest: int) -> np.ndarray:
    edge = (layer.padding, layer.padding)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(source, ((0, 0), edge, edge)), layer.weight.shape[2:], axis=(1, 2)
    )[:, :: layer.stride, :: layer.stride]
    weight = layer.weight.astype(np.int64)
    if layer.groups == 1:
        sums = np.einsum("oikl,ihwkl->ohw", weight, windows)
    else:
        sums = np.einsum("okl,ohwkl->ohw", weight[:, 0], windows)
    sums += layer.bias[:, None, None]
    return saturated(np.stack([rescaled(*pair) for pair in zip(sums, layer.scales, strict=True)]), largest)


def rescaled(values: np.ndarray, scale: Scale) -> np.ndarray:
    """RESCALE with SINGLE_ROUND; as Python's own whole numbers, which have no bounds."""
    exact = values.astype(object) * scale.multiplier + (1 << (scale.shift - 1))
    return (exact >> scale.shift).astype(np.int64)


def saturated(values: np.ndarray, largest: int) -> np.ndarray:
    return np.clip(values, -largest - 1, largest)
