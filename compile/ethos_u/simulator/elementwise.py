"""Operations between corresponding elements of two feature maps, of one and a number, or on one alone."""

from __future__ import annotations

import numpy as np

from compile.ethos_u.simulator import feature_maps
from compile.ethos_u.simulator.errors import SimulationError, UnmodelledError
from compile.ethos_u.simulator.memory import Memory
from compile.ethos_u.simulator.operations import (
    Broadcast,
    Elementwise,
    ElementwiseMode,
    FeatureMap,
    OperandScales,
    OperandScaling,
    Scalar,
    SecondOperand,
    Shape,
)
from compile.ethos_u.simulator.rounding import Wide, finished, scaled, single

OTHER_OPERAND_MULTIPLIER = {1: 1 << 19, 2: 1 << 14}
"""What the other operand is multiplied by where one has a scale of 32 bits, by bytes per element: half of what that
scale has in it for precision. OPB_SCALE says the same, or 0 where it is too narrow."""


def combine(memory: Memory, operation: Elementwise) -> None:
    ifm, ofm, output = operation.ifm, operation.ofm, operation.output
    feature_maps.check_writable(memory, ofm, operation.shape)
    first = _elements(memory, ifm, operation.shape)
    second = None
    if operation.second is not None:
        second = _second(memory, operation.second, operation.shape, ifm)
        if operation.second.comes_first:
            first, second = second, first
    values = _result(operation, first, second)
    by = single(output.scale.multiplier, output.scale.shift) if output.scale is not None else None
    feature_maps.write(memory, ofm, finished(values, by, output, ofm.zero_point, ofm.dtype))


def _result(operation: Elementwise, first: Wide, second: Wide | None) -> Wide:
    mode = operation.mode
    if mode is ElementwiseMode.ABS:
        return np.abs(first)
    if second is None:
        raise UnmodelledError(f"elementwise operation {mode.name}")
    if operation.scales is not None:
        first, second = _scaled_operands(operation, operation.scales, first, second)
    match mode:
        case ElementwiseMode.ADD:
            return first + second
        case ElementwiseMode.SUB:
            return first - second
        case ElementwiseMode.MUL:
            return first * second
        case ElementwiseMode.MIN:
            return np.minimum(first, second)
        case ElementwiseMode.MAX:
            return np.maximum(first, second)
        case _:
            raise UnmodelledError(f"elementwise operation {mode.name}")


def _scaled_operands(operation: Elementwise, scales: OperandScales, first: Wide, second: Wide) -> tuple[Wide, Wide]:
    comes_first = operation.second is not None and operation.second.comes_first
    if scales.mode is OperandScaling.BOTH_16_BIT:
        multipliers = (scales.first.multiplier, scales.second_multiplier)
        if scales.first.shift or max(multipliers) >> 16:
            raise UnmodelledError(f"operands scaled by {multipliers} and {scales.first.shift} bits")
        if comes_first and multipliers[0] != multipliers[1]:
            raise UnmodelledError("operands that change places and have different scales")
        return first * multipliers[0], second * multipliers[1]
    if operation.ifm.element_bytes not in OTHER_OPERAND_MULTIPLIER:
        raise UnmodelledError("32-bit elements scaled before they are added")
    other = OTHER_OPERAND_MULTIPLIER[operation.ifm.element_bytes]
    if scales.second_multiplier not in (0, other):
        raise UnmodelledError(
            f"OPB_SCALE = {scales.second_multiplier} beside an OPA_SCALE of 32 bits", expected=f"0 or {other}"
        )
    by = single(scales.first.multiplier, scales.first.shift)
    if scales.mode is OperandScaling.FIRST_32_BIT:
        return scaled(first, by, scales.rounding), second * other
    return first * other, scaled(second, by, scales.rounding)


def _second(memory: Memory, second: SecondOperand, shape: Shape, ifm: FeatureMap) -> Wide:
    source = second.source
    if isinstance(source, Scalar):
        return np.full((1, 1, 1), source.value - source.zero_point, np.int64)
    if source.feature_map.element_bytes != ifm.element_bytes:
        raise SimulationError(f"operands of types {ifm.dtype} and {source.feature_map.dtype}")
    return _elements(memory, source.feature_map, _broadcast_shape(source, shape))


def _broadcast_shape(source: Broadcast, shape: Shape) -> Shape:
    return Shape(
        1 if source.height else shape.height,
        1 if source.width else shape.width,
        1 if source.depth else shape.depth,
    )


def _elements(memory: Memory, feature_map: FeatureMap, shape: Shape) -> Wide:
    values = feature_maps.read(memory, feature_map, shape).astype(np.int64)
    values -= feature_map.zero_point
    return values
