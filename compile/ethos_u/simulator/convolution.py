"""Convolutions: multiply, accumulate, add the bias, scale each channel by its own factor.

With two cores each computes every other channel, from weights and scales of its own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compile.ethos_u.simulator import feature_maps, weights, windows
from compile.ethos_u.simulator.accelerator import Accelerator
from compile.ethos_u.simulator.errors import SimulationError, UnmodelledError
from compile.ethos_u.simulator.memory import Memory
from compile.ethos_u.simulator.operations import (
    Accumulator,
    Convolution,
    DepthwiseConvolution,
    EncodedWeights,
    Windowed,
)
from compile.ethos_u.simulator.rounding import Multipliers, finished
from compile.ethos_u.simulator.weights import Scales, WeightOrder
from compile.ethos_u.simulator.windows import Values

ACCUMULATOR_BITS = {Accumulator.INT32: 32, Accumulator.INT40: 40}


def convolve(memory: Memory, accelerator: Accelerator, operation: Convolution) -> None:
    """Every output channel sees every input channel."""
    windowed = operation.windowed
    feature_maps.check_writable(memory, windowed.ofm, windowed.shape)
    values = windows.padded_input(memory, windowed, 0)
    kernels = _kernels(memory, accelerator, windowed, operation.encoded, windowed.ifm_depth)
    pixels = windowed.shape.height * windowed.shape.width
    sums = np.zeros((pixels, windowed.shape.depth))
    for row, column, seen in windows.taps(values, windowed):
        sums += seen.reshape(pixels, windowed.ifm_depth) @ kernels[row, column]
    _finish(memory, operation.encoded, windowed, sums, kernels)


def convolve_depthwise(memory: Memory, accelerator: Accelerator, operation: DepthwiseConvolution) -> None:
    """Every output channel sees the input channel of its number."""
    windowed = operation.windowed
    feature_maps.check_writable(memory, windowed.ofm, windowed.shape)
    if windowed.ifm_depth != windowed.shape.depth:
        raise UnmodelledError(
            f"depthwise convolution from {windowed.ifm_depth} to {windowed.shape.depth} channels",
            expected="as many",
        )
    values = windows.padded_input(memory, windowed, 0)
    kernels = _kernels(memory, accelerator, windowed, operation.encoded, None)
    sums = np.zeros((windowed.shape.height, windowed.shape.width, windowed.shape.depth))
    for row, column, seen in windows.taps(values, windowed):
        sums += seen * kernels[row, column, 0]
    _finish(memory, operation.encoded, windowed, sums, kernels)


def _kernels(
    memory: Memory, accelerator: Accelerator, windowed: Windowed, encoded: EncodedWeights, ifm_depth: int | None
) -> NDArray[np.float64]:
    """Weights [height, width, ifm_depth, ofm_depth]. ifm_depth: None where every channel has its own kernel."""
    if windowed.ifm.element_bytes > 2:
        raise UnmodelledError("a convolution of 32-bit elements")
    kernel, depth = windowed.kernel, windowed.shape.depth
    _check_cores(encoded, len(encoded.weights), depth)
    if encoded.block_depth < encoded.cores:
        raise SimulationError(f"blocks of {encoded.block_depth} channel for {encoded.cores} cores")
    kernels = np.empty((kernel.height, kernel.width, ifm_depth or 1, depth))
    for core, span in enumerate(encoded.weights):
        order = WeightOrder(
            ofm_depth=len(range(core, depth, encoded.cores)),
            height=kernel.height,
            width=kernel.width,
            ifm_depth=ifm_depth or 1,
            is_depthwise=ifm_depth is None,
            part_kernel_first=kernel.part_kernel_first,
            ifm_bits=8 * windowed.ifm.element_bytes,
            block_depth=(encoded.block_depth + encoded.cores - 1 - core) // encoded.cores,
            dilation_y=kernel.dilation_y,
            dilation_x=kernel.dilation_x,
            ofm_microblock=accelerator.ofm_microblock_depth,
            ifm_microblock=accelerator.ifm_microblock_depth,
        )
        kernels[..., core :: encoded.cores] = weights.decoded(
            memory.load(span.region, span.address, span.length), order
        )
    return kernels


def _scales(memory: Memory, encoded: EncodedWeights, depth: int) -> Scales:
    _check_cores(encoded, len(encoded.scales), depth)
    bias, multiplier, shift = np.empty((3, depth), np.int64)
    for core, span in enumerate(encoded.scales):
        own = slice(core, depth, encoded.cores)
        found = weights.scales(memory.load(span.region, span.address, span.length), len(range(depth)[own]))
        bias[own], multiplier[own], shift[own] = found.bias, found.by.multiplier, found.by.shift
    return Scales(bias, Multipliers(multiplier, shift))


def _check_cores(encoded: EncodedWeights, spans: int, depth: int) -> None:
    if spans != min(encoded.cores, depth):
        raise SimulationError(f"{spans} streams for {depth} channels on {encoded.cores} cores")


def _finish(
    memory: Memory, encoded: EncodedWeights, windowed: Windowed, sums: Values, kernels: NDArray[np.float64]
) -> None:
    output, ofm, shape = windowed.output, windowed.ofm, windowed.shape
    if output.scale is not None:
        raise UnmodelledError("a convolution with one scale for all channels")
    scales = _scales(memory, encoded, shape.depth)
    _check_accumulator(windowed, sums, scales, kernels)
    values = sums.astype(np.int64)
    values += scales.bias
    elements = finished(values, scales.by, output, ofm.zero_point, ofm.dtype)
    feature_maps.write(memory, ofm, elements.reshape(shape.height, shape.width, shape.depth))


def _check_accumulator(windowed: Windowed, sums: Values, scales: Scales, kernels: NDArray[np.float64]) -> None:
    """Overflow is refused. What the weights cannot reach with any input is not looked for."""
    if windowed.accumulator not in ACCUMULATOR_BITS:
        raise UnmodelledError(f"accumulators of type {windowed.accumulator.name}")
    limit = 1 << ACCUMULATOR_BITS[windowed.accumulator] - 1
    largest_input = (1 << 8 * windowed.ifm.element_bytes) - 1
    if (np.abs(kernels).sum(axis=(0, 1, 2)) * largest_input + np.abs(scales.bias) < limit).all():
        return
    sums = sums.reshape(-1, windowed.shape.depth)
    if (sums.max(axis=0) + scales.bias >= limit).any() or (sums.min(axis=0) + scales.bias < -limit).any():
        raise SimulationError(f"an accumulator of {ACCUMULATOR_BITS[windowed.accumulator]} bits overflows")
