"""Small integer TOSA graphs, written with tosa-tools, with the quantisation that Vela fuses into its operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tosa_serializer as tosa
from tosa_serializer import DType, Op, RoundingMode, TosaSerializerAttribute

ACCUMULATOR = {"int8": DType.INT32, "int16": DType.INT48}
TYPES = {"int8": DType.INT8, "int16": DType.INT16, "int32": DType.INT32}


@dataclass(frozen=True)
class Tensor:
    name: str
    shape: tuple[int, ...]
    dtype: str


class TosaGraph:
    """Builds a graph operator by operator; weights, biases and scales are drawn from `seed`."""

    def __init__(self, dtype: str, seed: int = 0, rounding: Any = RoundingMode.SINGLE_ROUND) -> None:
        self.dtype = dtype
        self.random = np.random.default_rng(seed)
        self.rounding = rounding
        self.inputs: list[Tensor] = []
        self._graph = tosa.TosaSerializer("", tosa.ConstMode.EMBED, 1, 0, 0, False)

    def input(self, *shape: int) -> Tensor:
        tensor = Tensor(self._graph.addPlaceholder(list(shape), TYPES[self.dtype], None).name, shape, self.dtype)
        self.inputs.append(tensor)
        return tensor

    def finish(self, *outputs: Tensor) -> bytes:
        for output in outputs:
            self._graph.addOutputTensor(self._tensors[output.name])
        return bytes(self._graph.serialize())

    def random_inputs(self, seed: int) -> list[np.ndarray]:
        """Every value of the type, extremes as often as the others."""
        random = np.random.default_rng(seed)
        limits = np.iinfo(self.dtype)
        return [
            random.integers(limits.min, limits.max + 1, tensor.shape).astype(tensor.dtype) for tensor in self.inputs
        ]

    # operators ---------------------------------------------------------------------------------------------------

    def conv(
        self,
        x: Tensor,
        channels: int,
        kernel: tuple[int, int] = (3, 3),
        stride: int = 1,
        dilation: int = 1,
        padding: tuple[int, int, int, int] | None = None,
        gain: float = 1.0,
        zero_point: int = 0,
        density: float = 1.0,
    ) -> Tensor:
        """A convolution with bias, rescaled channel by channel. padding: top, bottom, left, right; None keeps size."""
        weights = self._weights((channels, *kernel, x.shape[3]), density)
        attribute = TosaSerializerAttribute()
        attribute.Conv2dAttribute(*self._window(kernel, stride, dilation, padding), False, ACCUMULATOR[self.dtype])
        return self._convolution(
            Op.CONV2D, attribute, x, weights, channels, stride, dilation, padding, gain, zero_point
        )

    def depthwise(
        self,
        x: Tensor,
        kernel: tuple[int, int] = (3, 3),
        stride: int = 1,
        dilation: int = 1,
        padding: tuple[int, int, int, int] | None = None,
        gain: float = 1.0,
        zero_point: int = 0,
    ) -> Tensor:
        channels = x.shape[3]
        weights = self._weights((*kernel, channels, 1))
        attribute = TosaSerializerAttribute()
        attribute.DepthwiseConv2dAttribute(
            *self._window(kernel, stride, dilation, padding), False, ACCUMULATOR[self.dtype]
        )
        return self._convolution(
            Op.DEPTHWISE_CONV2D, attribute, x, weights, channels, stride, dilation, padding, gain, zero_point
        )

    def transpose_conv(self, x: Tensor, channels: int, gain: float = 1.0) -> Tensor:
        """Kernels of 2x2, two apart: twice as high and wide, what a 1x1 convolution and a pixel shuffle give."""
        n, height, width, depth = x.shape
        weights = self._weights((channels, 2, 2, depth))
        attribute = TosaSerializerAttribute()
        attribute.TransposeConv2dAttribute([0] * 4, [2, 2], False, ACCUMULATOR[self.dtype])
        shape = (n, 2 * height, 2 * width, channels)
        return self._accumulated(Op.TRANSPOSE_CONV2D, attribute, x, weights, shape, depth, gain, 0)

    def add(
        self, a: Tensor, b: Tensor, scales: tuple[float, float, float] = (1.0, 1.0, 1.0), op: Any = Op.ADD
    ) -> Tensor:
        """scale_out * (scale_a * a ± scale_b * b), by way of 32 bits; scales of one stay one bit for bit."""
        wide = [self.rescale(x, scale, "int32") for x, scale in zip((a, b), scales[:2], strict=True)]
        shape = tuple(np.broadcast_shapes(a.shape, b.shape))
        attribute = TosaSerializerAttribute()
        attribute.AddAttribute() if op == Op.ADD else attribute.SubAttribute()
        return self.rescale(self._emit(op, wide, shape, "int32", attribute), scales[2], self.dtype)

    def mul(self, a: Tensor, b: Tensor, scale: float) -> Tensor:
        """scale * a * b."""
        wide = (a, b) if self.dtype == "int16" else tuple(self.rescale(x, 1.0, "int32") for x in (a, b))
        shape = tuple(np.broadcast_shapes(a.shape, b.shape))
        attribute = TosaSerializerAttribute()
        attribute.MulAttribute()
        shift = self.constant([0], "int8")
        return self.rescale(self._emit(Op.MUL, (*wide, shift), shape, "int32", attribute), scale, self.dtype)

    def larger(self, a: Tensor, b: Tensor) -> Tensor:
        attribute = TosaSerializerAttribute()
        attribute.MaximumAttribute(tosa.NanPropagationMode.PROPAGATE)
        return self._in_32_bits(Op.MAXIMUM, (a, b), attribute)

    def smaller(self, a: Tensor, b: Tensor) -> Tensor:
        attribute = TosaSerializerAttribute()
        attribute.MinimumAttribute(tosa.NanPropagationMode.PROPAGATE)
        return self._in_32_bits(Op.MINIMUM, (a, b), attribute)

    def absolute(self, x: Tensor) -> Tensor:
        attribute = TosaSerializerAttribute()
        attribute.AbsAttribute()
        return self._in_32_bits(Op.ABS, (x,), attribute)

    def _in_32_bits(self, op: Any, operands: tuple[Tensor, ...], attribute: Any) -> Tensor:
        """There is no other integer form in TOSA."""
        shape = tuple(np.broadcast_shapes(*(x.shape for x in operands)))
        made = self._emit(op, [self.rescale(x, 1.0, "int32") for x in operands], shape, "int32", attribute)
        return self.rescale(made, 1.0, self.dtype)

    def sum_of_channels(self, x: Tensor, scale: float) -> Tensor:
        attribute = TosaSerializerAttribute()
        attribute.ReduceSumAttribute(3)
        wide = self.rescale(x, 1.0, "int32")
        return self.rescale(
            self._emit(Op.REDUCE_SUM, (wide,), (*x.shape[:3], 1), "int32", attribute), scale, self.dtype
        )

    def clamp(self, x: Tensor, minimum: int, maximum: int) -> Tensor:
        attribute = TosaSerializerAttribute()
        as_bytes = [list(np.array([v], x.dtype).view(np.uint8)) for v in (minimum, maximum)]
        attribute.ClampAttribute(*as_bytes, tosa.NanPropagationMode.PROPAGATE)
        return self._emit(Op.CLAMP, (x,), x.shape, x.dtype, attribute)

    def concat(self, *parts: Tensor, axis: int = 3) -> Tensor:
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        attribute = TosaSerializerAttribute()
        attribute.ConcatAttribute(axis)
        return self._emit(Op.CONCAT, parts, tuple(shape), parts[0].dtype, attribute)

    def reshape(self, x: Tensor, *shape: int) -> Tensor:
        attribute = TosaSerializerAttribute()
        attribute.ReshapeAttribute()
        return self._emit(Op.RESHAPE, (x, self._shape(shape)), shape, x.dtype, attribute)

    def transpose(self, x: Tensor, *axes: int) -> Tensor:
        attribute = TosaSerializerAttribute()
        attribute.TransposeAttribute(list(axes))
        return self._emit(Op.TRANSPOSE, (x,), tuple(x.shape[axis] for axis in axes), x.dtype, attribute)

    def slice(self, x: Tensor, start: tuple[int, ...], size: tuple[int, ...]) -> Tensor:
        attribute = TosaSerializerAttribute()
        attribute.SliceAttribute()
        return self._emit(Op.SLICE, (x, self._shape(start), self._shape(size)), size, x.dtype, attribute)

    def pad(self, x: Tensor, *amounts: int) -> Tensor:
        """amounts: before and after each axis."""
        attribute = TosaSerializerAttribute()
        attribute.PadAttribute()
        shape = tuple(n + amounts[2 * i] + amounts[2 * i + 1] for i, n in enumerate(x.shape))
        return self._emit(Op.PAD, (x, self._shape(amounts), self.constant([0], x.dtype)), shape, x.dtype, attribute)

    def reverse(self, x: Tensor, axis: int) -> Tensor:
        attribute = TosaSerializerAttribute()
        attribute.ReverseAttribute(axis)
        return self._emit(Op.REVERSE, (x,), x.shape, x.dtype, attribute)

    def upscale(self, x: Tensor) -> Tensor:
        """Nearest neighbour, twice as high and wide."""
        n, height, width, channels = x.shape
        attribute = TosaSerializerAttribute()
        attribute.ResizeAttribute(tosa.ResizeMode.NEAREST)
        shapes = [self._shape(v) for v in ((4, 2, 4, 2), (-1, -1), (1, 1))]
        return self._emit(Op.RESIZE, (x, *shapes), (n, 2 * height, 2 * width, channels), x.dtype, attribute)

    def max_pool(self, x: Tensor, side: int, stride: int) -> Tensor:
        attribute = TosaSerializerAttribute()
        attribute.MaxPool2dAttribute([side, side], [stride, stride], [0] * 4, tosa.NanPropagationMode.PROPAGATE)
        return self._emit(Op.MAX_POOL2D, (x,), self._pooled(x, side, stride), x.dtype, attribute)

    def average_pool(self, x: Tensor, side: int, stride: int) -> Tensor:
        attribute = TosaSerializerAttribute()
        attribute.AvgPool2dAttribute([side, side], [stride, stride], [0] * 4, DType.INT32)
        zeros = [self.constant([0], x.dtype)] * 2
        return self._emit(Op.AVG_POOL2D, (x, *zeros), self._pooled(x, side, stride), x.dtype, attribute)

    def rescale(
        self, x: Tensor, scale: float | np.ndarray, dtype: str, zero_points: tuple[int, int] = (0, 0)
    ) -> Tensor:
        """x times scale, rounded, as that type; an array is a scale per channel."""
        is_48_bit = x.dtype == "int48"
        bits = 15 if is_48_bit else 31
        mantissa, exponent = np.frexp(np.atleast_1d(np.asarray(scale, float)))
        multiplier = np.round(mantissa * (1 << bits)).astype(np.int64)
        overflow = multiplier == 1 << bits
        multiplier[overflow] >>= 1
        shift = bits - exponent - overflow
        attribute = TosaSerializerAttribute()
        rounding = RoundingMode.SINGLE_ROUND if is_48_bit else self.rounding
        attribute.RescaleAttribute(not is_48_bit, rounding, len(multiplier) > 1, False, False)
        inputs = (
            x,
            self.constant(multiplier, "int16" if is_48_bit else "int32"),
            self.constant(shift, "int8"),
            self.constant([zero_points[0]], x.dtype),
            self.constant([zero_points[1]], dtype),
        )
        return self._emit(Op.RESCALE, inputs, x.shape, dtype, attribute)

    def constant(self, values: Any, dtype: str) -> Tensor:
        array = np.asarray(values, np.int64 if dtype == "int48" else dtype)
        kind = DType.INT48 if dtype == "int48" else TYPES[dtype]
        return Tensor(self._graph.addConst(list(array.shape), kind, array).name, array.shape, dtype)

    # -------------------------------------------------------------------------------------------------------------

    def _shape(self, values: tuple[int, ...]) -> Tensor:
        const = self._graph.addConst([len(values)], DType.SHAPE, list(values))
        return Tensor(const.name, (len(values),), "shape")

    def _emit(self, op: Any, inputs: Any, shape: tuple[int, ...], dtype: str, attribute: Any) -> Tensor:
        kind = ACCUMULATOR["int16"] if dtype == "int48" else TYPES[dtype]
        made = self._graph.addIntermediate(list(shape), kind)
        self._tensors[made.name] = made
        self._graph.addOperator(op, [x.name for x in inputs], [made.name], attribute)
        return Tensor(made.name, tuple(shape), dtype)

    @property
    def _tensors(self) -> dict[str, Any]:
        if not hasattr(self, "_made"):
            self._made: dict[str, Any] = {}
        return self._made

    def _weights(self, shape: tuple[int, ...], density: float = 1.0) -> np.ndarray:
        weights = self.random.integers(-127, 128, shape).astype(np.int8)
        return np.where(self.random.random(shape) < density, weights, 0).astype(np.int8)

    def _window(
        self, kernel: tuple[int, int], stride: int, dilation: int, padding: tuple[int, int, int, int] | None
    ) -> tuple[list[int], list[int], list[int]]:
        return list(self._padding(kernel, dilation, padding)), [stride] * 2, [dilation] * 2

    @staticmethod
    def _padding(
        kernel: tuple[int, int], dilation: int, padding: tuple[int, int, int, int] | None
    ) -> tuple[int, int, int, int]:
        if padding is not None:
            return padding
        tall, wide = (dilation * (side - 1) for side in kernel)
        return tall // 2, tall - tall // 2, wide // 2, wide - wide // 2

    def _convolution(
        self,
        op: Any,
        attribute: Any,
        x: Tensor,
        weights: np.ndarray,
        channels: int,
        stride: int,
        dilation: int,
        padding: tuple[int, int, int, int] | None,
        gain: float,
        zero_point: int,
    ) -> Tensor:
        kernel = (weights.shape[1:3]) if op == Op.CONV2D else weights.shape[:2]
        top, bottom, left, right = self._padding(kernel, dilation, padding)
        height = (x.shape[1] + top + bottom - dilation * (kernel[0] - 1) - 1) // stride + 1
        width = (x.shape[2] + left + right - dilation * (kernel[1] - 1) - 1) // stride + 1
        terms = kernel[0] * kernel[1] * (x.shape[3] if op == Op.CONV2D else 1)
        shape = (x.shape[0], height, width, channels)
        return self._accumulated(op, attribute, x, weights, shape, terms, gain, zero_point)

    def _accumulated(
        self,
        op: Any,
        attribute: Any,
        x: Tensor,
        weights: np.ndarray,
        shape: tuple[int, ...],
        terms: int,
        gain: float,
        zero_point: int,
    ) -> Tensor:
        """terms: products in each sum, from which its spread is known."""
        wide = "int32" if self.dtype == "int8" else "int48"
        spread = 73 * np.sqrt(terms)  # the standard deviation of uniform weights is 73
        bias = self.random.normal(0, 0.2 * spread * np.iinfo(self.dtype).max, shape[3])
        inputs = (
            x,
            self.constant(weights, "int8"),
            self.constant(np.round(bias), wide),
            self.constant([zero_point], x.dtype),
            self.constant([0], "int8"),
        )
        sums = self._emit(op, inputs, shape, wide, attribute)
        return self.rescale(sums, gain / spread * self.random.uniform(0.5, 2, shape[3]), self.dtype)

    @staticmethod
    def _pooled(x: Tensor, side: int, stride: int) -> tuple[int, ...]:
        n, height, width, channels = x.shape
        return n, (height - side) // stride + 1, (width - side) // stride + 1, channels
