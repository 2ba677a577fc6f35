"""Integers for a network: 16-bit activations by default, 8-bit weights with a scale for each output channel.

Everything is symmetric about zero. The operands of a sum share one step, and so do a tensor and its rearrangement: an
NPU then adds 16-bit integers as they are, where it would rescale them one by one otherwise.

References
----------
B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018: scales as integer multipliers and shifts.
TOSA 1.0 specification, RESCALE: 15 bits of multiplier for 48-bit sums, 31 bits for 32-bit ones; shifts of 2 to 62.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from compile import network_graph as real
from compile.ethos_u import integer_graph as integer
from compile.ethos_u.calibration import Calibration, Inputs, convolution_of, image_of
from compile.ethos_u.equalisation import equalised
from compile.ethos_u.integer_graph import IntegerNetwork, Precision, Scale
from compile.ethos_u.rounding import rounded
from compile.network_graph import UnsupportedOperator

HEADROOM = 1.5
"""By which the largest magnitude of calibration may be exceeded before a value saturates."""
LARGEST_WEIGHT = 127
LEAST_SHIFT, MOST_SHIFT = 2, 62
SUM_MULTIPLIER_BITS = {Precision.A16W8: 15, Precision.A8W8: 31}


def quantise(tensors: Sequence[real.Node], calibration: Calibration, precision: Precision) -> IntegerNetwork:
    """The integer form of a partition.

    tensors: what its composites give, as `compile.relax_import.to_tensors` has them. calibration: of the same tensors.
    """
    tensors, calibration = equalised(tensors, calibration)
    maker = _Maker(precision, _steps(tensors, calibration, precision))
    for tensor, inputs in zip(tensors, calibration.inputs, strict=True):
        maker.make(tensor, inputs)
    return IntegerNetwork(precision, maker.image, maker.made[tensors[-1]])


def as_scale(factor: float, bits: int) -> Scale:
    """The multiplier of that many bits, and the shift, that come closest to a positive factor.

    Raises UnsupportedOperator where no shift does.
    """
    fraction, exponent = math.frexp(factor)
    multiplier, shift = round(fraction * (1 << bits)), bits - exponent
    if multiplier == 1 << bits:
        multiplier, shift = multiplier // 2, shift - 1
    if not LEAST_SHIFT <= shift <= MOST_SHIFT:
        raise UnsupportedOperator(f"a rescaling by {factor:g}", expected="between 2**-31 and 2**12")
    return Scale(multiplier, shift)


def _steps(tensors: Sequence[real.Node], calibration: Calibration, precision: Precision) -> dict[real.Node, float]:
    """The step of each tensor, and of the network's input."""
    limits: dict[real.Node, float] = {image_of(tensors): calibration.image * HEADROOM}
    for tensor, largest in zip(tensors, calibration.tensors, strict=True):
        bounds = _bounds(tensor)
        # A tensor that was nothing but zeros may have any step.
        limits[tensor] = bounds if math.isfinite(bounds) else float(largest.max()) * HEADROOM or 1.0
    groups = _Groups()
    for tensor in tensors:
        if isinstance(tensor, real.Add):
            groups.join(tensor.left, tensor.right)
        elif isinstance(tensor, real.DepthToSpace):
            groups.join(tensor, tensor.source)
    return {tensor: max(limits[other] for other in groups.of(tensor)) / precision.largest for tensor in limits}


def _bounds(tensor: real.Node) -> float:
    """The largest magnitude that a tensor can have by its definition; infinite where it states none."""
    return max(abs(tensor.low), abs(tensor.high)) if isinstance(tensor, real.Clip) else math.inf


class _Groups:
    """Tensors that must have the same step."""

    def __init__(self) -> None:
        self._groups: dict[real.Node, list[real.Node]] = {}

    def join(self, one: real.Node, other: real.Node) -> None:
        ours, theirs = self.of(one), self.of(other)
        if ours is not theirs:
            ours.extend(theirs)
        for tensor in ours:
            self._groups[tensor] = ours

    def of(self, tensor: real.Node) -> list[real.Node]:
        return self._groups.get(tensor, [tensor])


class _Maker:
    """Makes integer tensors of real ones, in order."""

    def __init__(self, precision: Precision, steps: Mapping[real.Node, float]) -> None:
        self._precision = precision
        self._steps = steps
        image = next(tensor for tensor in steps if isinstance(tensor, real.Image))
        self.image = integer.Image(image.shape[0], steps[image])
        self.made: dict[real.Node, integer.Tensor] = {image: self.image}

    def make(self, tensor: real.Node, inputs: Inputs | None) -> None:
        channels, step = tensor.shape[0], self._steps[tensor]
        layer = convolution_of(tensor)
        if layer is not None and inputs is not None:
            self.made[tensor] = self._convolution(tensor, layer, inputs)
        elif isinstance(tensor, real.Add):
            left, right = self.made[tensor.left], self.made[tensor.right]
            self.made[tensor] = integer.Add(channels, step, left, right, as_scale(left.step / step, 31))
        elif isinstance(tensor, real.Multiply):
            left, right = self.made[tensor.left], self.made[tensor.right]
            scale = as_scale(left.step * right.step / step, 31)
            self.made[tensor] = integer.Multiply(channels, step, left, right, scale)
        else:
            assert isinstance(tensor, real.DepthToSpace)
            source = self.made[tensor.source]
            assert isinstance(source, integer.Convolution)
            self.made[tensor] = integer.DepthToSpace(channels, step, source)

    def _convolution(self, tensor: real.Node, layer: real.Convolution, inputs: Inputs) -> integer.Convolution:
        source, step = self.made[layer.source], self._steps[tensor]
        weights = layer.weight.reshape(len(layer.weight), -1).astype(np.float64)
        magnitudes = np.abs(weights).max(1)
        # A channel without weights is its bias alone: any scale will do.
        magnitudes[magnitudes == 0] = LARGEST_WEIGHT * step / source.step
        bits = SUM_MULTIPLIER_BITS[self._precision]
        # Rounding the factors up makes each weight's step follow exactly from the integers of the rescaling.
        scales = tuple(_at_least(each / LARGEST_WEIGHT * source.step / step, bits) for each in magnitudes)
        factors = np.array([scale.multiplier / 2.0**scale.shift for scale in scales])
        steps = factors * step / source.step
        integers = np.concatenate(
            [
                rounded(part, part_steps, covariance, LARGEST_WEIGHT)
                for part, part_steps, covariance in zip(
                    np.split(weights, layer.groups), np.split(steps, layer.groups), inputs.covariance, strict=True
                )
            ]
        )
        # What rounding changes on average, the bias makes good.
        means = np.repeat(inputs.mean, len(weights) // layer.groups, axis=0)
        shifts = ((weights - integers * steps[:, None]) * means).sum(1)
        low, high = _activation(tensor)
        return integer.Convolution(
            layer.shape[0],
            step,
            source,
            integers.reshape(layer.weight.shape).astype(np.int8),
            np.rint((layer.bias + shifts) / (factors * step)).astype(np.int64),
            scales,
            layer.stride,
            layer.padding,
            layer.groups,
            _bounded(low / step, self._precision),
            _bounded(high / step, self._precision),
        )


def _at_least(factor: float, bits: int) -> Scale:
    scale = as_scale(factor, bits)
    if scale.multiplier / 2.0**scale.shift >= factor:
        return scale
    if scale.multiplier + 1 < 1 << bits:
        return Scale(scale.multiplier + 1, scale.shift)
    return Scale(1 << (bits - 1), scale.shift - 1)


def _bounded(value: float, precision: Precision) -> int:
    return round(min(max(value, precision.lowest), precision.largest))


def _activation(tensor: real.Node) -> tuple[float, float]:
    """What a composite bounds its values to."""
    if isinstance(tensor, real.Clip):
        return tensor.low, tensor.high
    return (0, math.inf) if isinstance(tensor, real.Relu) else (-math.inf, math.inf)
