"""Graphs of operations without TVM: made by hand from a network's layers, and executed by numpy in float64."""

from __future__ import annotations

from functools import cache

import numpy as np
from torch import nn
from tvm import relax
from tvm.relax import op

from compile.network_graph import Add, Clip, Convolution, DepthToSpace, Image, Multiply, Node, Other, Relu
from compile.relax_fallback import other
from denoiser.network import INPUT_CHANNELS, FeatureAlign, FeatureAlignNetwork, ResidualBlock, Unaligned


def graph_of(network: FeatureAlignNetwork, size: int = 32) -> Node:
    """What `compile.relax_import` should make of a network, written down layer by layer."""
    image: Node = Image((INPUT_CHANNELS, size, size))
    images, skips = (
        [image],
        [_scale(convolution(image, network.stem), network.encoder[0], network.encoder_align[0], image)],
    )
    for pyramid, down, blocks, align in zip(
        network.pyramid, network.down, network.encoder[1:], network.encoder_align[1:], strict=True
    ):
        images.append(convolution(images[-1], pyramid))
        skips.append(_scale(convolution(skips[-1], down), blocks, align, images[-1]))
    features = skips.pop()
    for scale in reversed(range(len(network.decoder))):
        features = add(shuffled(convolution(features, network.up[scale])), skips[scale])
        features = _scale(features, network.decoder[scale], network.decoder_align[scale], images[scale])
    return convolution(features, network.head)


def convolution(source: Node, layer: nn.Module) -> Convolution:
    """A layer of PyTorch's."""
    assert isinstance(layer, nn.Conv2d)
    weight = layer.weight.detach().numpy()
    bias = np.zeros(len(weight), np.float32) if layer.bias is None else layer.bias.detach().numpy()
    return convolved(source, weight, bias, layer.stride[0], int(layer.padding[0]), layer.groups)


def convolved(
    source: Node, weight: np.ndarray, bias: np.ndarray | None = None, stride: int = 1, padding: int = 0, groups: int = 1
) -> Convolution:
    _, height, width = source.shape
    rows, columns = ((size + 2 * padding - weight.shape[2]) // stride + 1 for size in (height, width))
    bias = np.zeros(len(weight), np.float32) if bias is None else bias
    return Convolution((len(weight), rows, columns), source, weight, bias, stride, padding, groups)


def add(left: Node, right: Node) -> Add:
    return Add(left.shape, left, right)


def multiply(left: Node, right: Node) -> Multiply:
    return Multiply(left.shape, left, right)


def relu(source: Node) -> Relu:
    return Relu(source.shape, source)


def clip(source: Node, low: float, high: float) -> Clip:
    return Clip(source.shape, source, low, high)


def logarithm(source: Node) -> Other:
    variable = relax.Var("first", relax.TensorType((1, *source.shape), "float32"))
    return other(source.shape, op.log(variable), [source])


def shuffled(source: Node) -> DepthToSpace:
    channels, height, width = source.shape
    return DepthToSpace((channels // 4, 2 * height, 2 * width), source)


def block(source: Node, layer: ResidualBlock) -> Add:
    wide = relu(convolution(convolution(source, layer.depthwise), layer.widen))
    return add(source, convolution(wide, layer.narrow))


def aligned(features: Node, layer: FeatureAlign, image: Node) -> Add:
    hidden = relu(convolution(image, layer.image))
    gamma = clip(convolution(hidden, layer.gamma), *layer.gamma_range)
    return add(multiply(features, gamma), convolution(hidden, layer.beta))


def executed(output: Node, image: np.ndarray) -> np.ndarray:
    """What a graph makes of an image [C, H, W], by the definitions of its operations."""

    @cache
    def value(node: Node) -> np.ndarray:
        result = _value(node)
        assert result.shape == node.shape
        return result

    def _value(node: Node) -> np.ndarray:
        match node:
            case Image():
                return image.astype(np.float64)
            case Convolution(source=source):
                return _convolved(value(source), node)
            case Relu(source=source):
                return np.maximum(value(source), 0)
            case Clip(source=source, low=low, high=high):
                return np.clip(value(source), low, high)
            case Other(sources=(source,), call=call) if call.op.name == "relax.log":
                return np.log(value(source))
            case Add(left=left, right=right):
                return value(left) + value(right)
            case Multiply(left=left, right=right):
                return value(left) * value(right)
            case DepthToSpace(source=source):
                channels, height, width = value(source).shape
                split = value(source).reshape(channels // 4, 2, 2, height, width)
                return split.transpose(0, 3, 1, 4, 2).reshape(channels // 4, 2 * height, 2 * width)
        raise AssertionError(f"{type(node).__name__} is no operation of a graph")

    return value(output)


def _convolved(source: np.ndarray, node: Convolution) -> np.ndarray:
    (outputs, inputs, rows, columns), (_, height, width) = node.weight.shape, node.shape
    full = np.pad(source, ((0, 0), (node.padding,) * 2, (node.padding,) * 2))
    total = np.zeros((node.groups, outputs // node.groups, height, width))
    weight = node.weight.astype(np.float64).reshape(node.groups, outputs // node.groups, inputs, rows, columns)
    for y in range(rows):
        for x in range(columns):
            seen = full[:, y :: node.stride, x :: node.stride][:, :height, :width]
            total += np.einsum("goi,gihw->gohw", weight[..., y, x], seen.reshape(node.groups, inputs, height, width))
    result: np.ndarray = total.reshape(outputs, height, width) + node.bias[:, None, None]
    return result


def _scale(features: Node, blocks: nn.Module, align: nn.Module, image: Node) -> Node:
    assert isinstance(blocks, nn.Sequential)
    for layer in blocks:
        assert isinstance(layer, ResidualBlock)
        features = block(features, layer)
    if isinstance(align, Unaligned):
        return features
    assert isinstance(align, FeatureAlign)
    return aligned(features, align, image)
