"""No channel far larger than the others: the same network, such channels inside it divided by a power of two.

All channels of a tensor share the step of its integers, which the largest channel sets: where one is thirty times the
others, those are left with a thirtieth of the integers. But convolutions, sums, ReLU and depth to space let a factor
pass: a channel may be divided by anything positive if the weights that read it are multiplied by the same. A sum ties
the channels of its operands together, along the whole of a residual stream. Powers of two change nothing in float.

Only outliers are scaled. With all channels alike, an output would have the error of as many rounded weights as it has
inputs, where now few inputs are large: with 8-bit weights that costs more than 16-bit activations gain by it.

What has a meaning of its own stays as it is: the image, the network's output, and what a clamp bounds.

References
----------
M. Nagel, M. van Baalen, T. Blankevoort, M. Welling, "Data-Free Quantization Through Weight Equalization and Bias
Correction", ICCV 2019.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from compile.ethos_u.calibration import Calibration, Inputs, convolution_of, image_of
from compile.network_graph import Add, Clip, Convolution, DepthToSpace, Image, Multiply, Node, Relu

OUTLIER = 4.0
"""How many times the median of its tensor's channels a channel may reach."""

Factors = Mapping[Node, np.ndarray]
"""What the channels of each tensor are divided by: float64 [C]."""


def equalised(tensors: Sequence[Node], calibration: Calibration) -> tuple[tuple[Node, ...], Calibration]:
    """The composites of a partition with their channels scaled, and what calibration would find of them."""
    factors = _factors(tensors, calibration)
    made: dict[Node, Node] = {tensor: tensor for tensor in factors if isinstance(tensor, Image)}
    for tensor in tensors:
        made[tensor] = _scaled(tensor, factors, made)
    largest = [found / factors[tensor] for tensor, found in zip(tensors, calibration.tensors, strict=True)]
    inputs = [
        None if found is None or layer is None else _scaled_inputs(found, _of_inputs(layer, factors))
        for layer, found in zip(map(convolution_of, tensors), calibration.inputs, strict=True)
    ]
    return tuple(made[tensor] for tensor in tensors), replace(calibration, tensors=tuple(largest), inputs=tuple(inputs))


def _factors(tensors: Sequence[Node], calibration: Calibration) -> Factors:
    places: dict[Node, np.ndarray] = {}
    count = 1
    for tensor in (image_of(tensors), *tensors):
        places[tensor] = np.arange(count, count + tensor.shape[0])
        count += tensor.shape[0]
    # Channels that must have one factor have one label; that of place 0 stands for a factor of one.
    labels = np.arange(count)

    def tie(some: np.ndarray, others: np.ndarray) -> None:
        for one, other in zip(*np.broadcast_arrays(some, others), strict=True):
            labels[labels == labels[one]] = labels[other]

    fixed = np.zeros(1, np.intp)
    tie(places[image_of(tensors)], fixed)
    tie(places[tensors[-1]], fixed)
    for tensor in tensors:
        here = places[tensor]
        if isinstance(tensor, Clip):
            tie(here, fixed)
        elif isinstance(tensor, Add):
            tie(places[tensor.left], here)
            tie(places[tensor.right], here)
        elif isinstance(tensor, Multiply):
            # One operand's factor is the product's, the other has none.
            tie(places[tensor.left], here)
            tie(places[tensor.right], fixed)
        elif isinstance(tensor, DepthToSpace):
            before = places[tensor.source]
            tie(before, here.repeat(len(before) // len(here)))
    magnitudes = np.zeros(count)
    for tensor, largest in zip(tensors, calibration.tensors, strict=True):
        np.maximum.at(magnitudes, labels[places[tensor]], largest)
    excess = np.ones(count)
    for place in places.values():
        here = magnitudes[labels[place]]
        if here.any():
            np.maximum.at(excess, labels[place], here / (OUTLIER * np.median(here[here > 0])))
    excess[labels[0]] = 1
    factors = np.exp2(np.rint(np.log2(excess)))
    return {tensor: factors[labels[place]] for tensor, place in places.items()}


def _scaled(tensor: Node, factors: Factors, made: Mapping[Node, Node]) -> Node:
    """A tensor of scaled ones, with its own channels divided."""
    layer = convolution_of(tensor)
    if layer is not None:
        divided = factors[tensor]
        multiplied = _of_inputs(layer, factors).repeat(len(layer.weight) // layer.groups, axis=0)
        weight = layer.weight * multiplied.reshape(layer.weight.shape) / divided[:, None, None, None]
        scaled = replace(
            layer,
            source=made[layer.source],
            weight=weight.astype(np.float32),
            bias=(layer.bias / divided).astype(np.float32),
        )
        return replace(tensor, source=scaled) if isinstance(tensor, Relu | Clip) else scaled
    if isinstance(tensor, Add | Multiply):
        return replace(tensor, left=made[tensor.left], right=made[tensor.right])
    assert isinstance(tensor, DepthToSpace)
    return replace(tensor, source=made[tensor.source])


def _of_inputs(layer: Convolution, factors: Factors) -> np.ndarray:
    """The factors of what an output of a convolution sees, as `Inputs` has them: float64 [groups, inputs]."""
    of_channels = factors[layer.source].reshape(layer.groups, -1)
    return of_channels.repeat(layer.weight[0, 0].size, axis=1)


def _scaled_inputs(inputs: Inputs, divided: np.ndarray) -> Inputs:
    return Inputs(inputs.mean / divided, inputs.covariance / (divided[:, :, None] * divided[:, None, :]))
