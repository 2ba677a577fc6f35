"""A quantised network as a TOSA graph.

References
----------
Arm, "TOSA Specification" 1.0: operators, their operands and types; profile PRO-INT with the extension EXT-INT16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

import numpy as np
import tosa_serializer as ts

from compile.ethos_u.integer_graph import (
    Add,
    Convolution,
    DepthToSpace,
    Image,
    IntegerNetwork,
    Multiply,
    Precision,
    Scale,
    Tensor,
    sources,
)

VERSION = (1, 0, 0)
_Operand = Any
"""A tensor of the serialiser, which has a name, a shape and a dtype."""


class Layout(StrEnum):
    """Order of the dimensions of the network's input and output."""

    NHWC = "nhwc"
    NCHW = "nchw"


def write(network: IntegerNetwork, height: int, width: int, layout: Layout) -> bytes:
    """The flatbuffer of a network for an image of that size, in packed pixels."""
    return _Writer(network, height, width, layout).serialised()


class _Writer:
    """Builds one graph; tensors are [1, H, W, C] inside."""

    def __init__(self, network: IntegerNetwork, height: int, width: int, layout: Layout) -> None:
        major, minor, patch = VERSION
        self._graph = ts.TosaSerializer("", ts.ConstMode.EMBED, major, minor, patch, False)
        self._precision = network.precision
        self._wide = network.precision is Precision.A16W8
        self._values = ts.DType.INT16 if self._wide else ts.DType.INT8
        self._sums = ts.DType.INT48 if self._wide else ts.DType.INT32
        self._zeros: dict[str, _Operand] = {}
        self._made: dict[Tensor, _Operand] = {network.image: self._input((1, height, width), network.image, layout)}
        self._depth = _depths(network.ordered())
        shuffled = {tensor.source for tensor in network.ordered() if isinstance(tensor, DepthToSpace)}
        for tensor in network.ordered():
            if not isinstance(tensor, Image) and tensor not in shuffled:
                self._made[tensor] = self._make(tensor)
        self._give(self._made[network.output], layout)

    def serialised(self) -> bytes:
        return self._graph.serialize()

    def _make(self, tensor: Tensor) -> _Operand:
        if isinstance(tensor, Convolution):
            return self._convolution(tensor)
        if isinstance(tensor, DepthToSpace):
            return self._depth_to_space(tensor)
        if isinstance(tensor, Add):
            return self._add(tensor)
        assert isinstance(tensor, Multiply)
        return self._multiply(tensor)

    def _convolution(self, tensor: Convolution) -> _Operand:
        source = self._made[tensor.source]
        _, height, width, _ = source.shape
        rows, columns = tensor.weight.shape[2:]
        shape = (
            1,
            (height + 2 * tensor.padding - rows) // tensor.stride + 1,
            (width + 2 * tensor.padding - columns) // tensor.stride + 1,
            tensor.channels,
        )
        attribute = ts.TosaSerializerAttribute()
        arguments = ([tensor.padding] * 4, [tensor.stride] * 2, [1, 1], False, self._sums)
        if tensor.groups == 1:
            kind, weight = ts.Op.CONV2D, tensor.weight.transpose(0, 2, 3, 1)
            attribute.Conv2dAttribute(*arguments)
        else:
            kind, weight = ts.Op.DEPTHWISE_CONV2D, tensor.weight.transpose(2, 3, 0, 1)
            attribute.DepthwiseConv2dAttribute(*arguments)
        operands = (
            source,
            self._constant(weight, ts.DType.INT8),
            self._constant(tensor.bias, self._sums),
            self._zero(self._values),
            self._zero(ts.DType.INT8),
        )
        sums = self._operator(kind, operands, attribute, shape, self._sums)
        return self._clamped(self._rescaled(sums, tensor.scales, self._values), tensor.low, tensor.high)

    def _add(self, tensor: Add) -> _Operand:
        # Both operands have the same step: the NPU then adds them as they are, of 16 bits or 8.
        as_it_is = Scale(1 << 30, 30)
        left, right = (self._rescaled(self._made[each], (as_it_is,), ts.DType.INT32) for each in self._in_order(tensor))
        attribute = ts.TosaSerializerAttribute()
        attribute.AddAttribute()
        total = self._operator(ts.Op.ADD, (left, right), attribute, left.shape, ts.DType.INT32)
        return self._rescaled(total, (tensor.scale,), self._values)

    def _multiply(self, tensor: Multiply) -> _Operand:
        left, right = (self._made[each] for each in self._in_order(tensor))
        attribute = ts.TosaSerializerAttribute()
        attribute.MulAttribute()
        operands = (left, right, self._zero(ts.DType.INT8))
        product = self._operator(ts.Op.MUL, operands, attribute, left.shape, ts.DType.INT32)
        return self._rescaled(product, (tensor.scale,), self._values)

    def _in_order(self, tensor: Add | Multiply) -> tuple[Tensor, Tensor]:
        """The operands, the one that takes more layers last: Vela computes that first and keeps less meanwhile."""
        left, right = sorted((tensor.left, tensor.right), key=lambda each: self._depth[each])
        return left, right

    def _depth_to_space(self, tensor: DepthToSpace) -> _Operand:
        """Two convolutions, one for each row of the pairs, written row by row in turn: nothing is moved."""
        packed, halves = tensor.source, []
        for row in (0, 1):
            # Channels of this row's pixels: first those of the left pixel, then those of the right one.
            chosen = np.concatenate([np.arange(2 * row + column, packed.channels, 4) for column in (0, 1)])
            half = self._convolution(
                replace(
                    packed,
                    channels=len(chosen),
                    weight=packed.weight[chosen],
                    bias=packed.bias[chosen],
                    scales=tuple(packed.scales[index] for index in chosen),
                )
            )
            halves.append(half)
        _, height, width, depth = half.shape
        attribute = ts.TosaSerializerAttribute()
        attribute.ConcatAttribute(2)
        joined = self._operator(ts.Op.CONCAT, halves, attribute, (1, height, 2 * width, depth), self._values)
        return self._reshaped(joined, (1, 2 * height, 2 * width, tensor.channels))

    def _rescaled(self, source: _Operand, scales: Sequence[Scale], target: ts.DType) -> _Operand:
        narrow = source.dtype == ts.DType.INT48
        attribute = ts.TosaSerializerAttribute()
        attribute.RescaleAttribute(not narrow, ts.RoundingMode.SINGLE_ROUND, len(scales) > 1, False, False)
        operands = (
            source,
            self._constant([scale.multiplier for scale in scales], ts.DType.INT16 if narrow else ts.DType.INT32),
            self._constant([scale.shift for scale in scales], ts.DType.INT8),
            self._zero(source.dtype),
            self._zero(target),
        )
        return self._operator(ts.Op.RESCALE, operands, attribute, source.shape, target)

    def _clamped(self, source: _Operand, low: int, high: int) -> _Operand:
        if low <= self._precision.lowest and high >= self._precision.largest:
            return source
        attribute = ts.TosaSerializerAttribute()
        bounds = (list(np.array(bound, self._precision.activation).tobytes()) for bound in (low, high))
        attribute.ClampAttribute(*bounds, ts.NanPropagationMode.PROPAGATE)
        return self._operator(ts.Op.CLAMP, (source,), attribute, source.shape, self._values)

    def _reshaped(self, source: _Operand, shape: tuple[int, ...]) -> _Operand:
        attribute = ts.TosaSerializerAttribute()
        attribute.ReshapeAttribute()
        operands = (source, self._graph.addConst([len(shape)], ts.DType.SHAPE, list(shape)))
        return self._operator(ts.Op.RESHAPE, operands, attribute, shape, self._values)

    def _transposed(self, source: _Operand, order: tuple[int, ...]) -> _Operand:
        attribute = ts.TosaSerializerAttribute()
        attribute.TransposeAttribute(list(order))
        shape = [source.shape[axis] for axis in order]
        return self._operator(ts.Op.TRANSPOSE, (source,), attribute, shape, self._values)

    def _input(self, size: tuple[int, int, int], image: Image, layout: Layout) -> _Operand:
        batch, height, width = size
        if layout is Layout.NHWC:
            return self._graph.addPlaceholder([batch, height, width, image.channels], self._values)
        given = self._graph.addPlaceholder([batch, image.channels, height, width], self._values)
        return self._transposed(given, (0, 2, 3, 1))

    def _give(self, output: _Operand, layout: Layout) -> None:
        self._graph.addOutputTensor(output if layout is Layout.NHWC else self._transposed(output, (0, 3, 1, 2)))

    def _constant(self, values: Sequence[int] | np.ndarray, kind: ts.DType) -> _Operand:
        integers = np.asarray(values, np.int64)
        return self._graph.addConst(list(integers.shape), kind, integers.reshape(-1).tolist())

    def _zero(self, kind: ts.DType) -> _Operand:
        if kind.name not in self._zeros:
            self._zeros[kind.name] = self._constant([0], kind)
        return self._zeros[kind.name]

    def _operator(
        self,
        kind: ts.Op,
        operands: Sequence[_Operand],
        attribute: ts.TosaSerializerAttribute,
        shape: Sequence[int],
        values: ts.DType,
    ) -> _Operand:
        result = self._graph.addIntermediate(list(shape), values)
        self._graph.addOperator(kind, [operand.name for operand in operands], [result.name], attribute)
        return result


def _depths(tensors: Sequence[Tensor]) -> dict[Tensor, int]:
    """Layers from the input to each tensor."""
    depths: dict[Tensor, int] = {}
    for tensor in tensors:
        depths[tensor] = 1 + max((depths[source] for source in sources(tensor)), default=0)
    return depths
