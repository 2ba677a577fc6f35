"""The input of a kernel that moves: upscaled, less its zero point, padded, and seen through each kernel element."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from compile.ethos_u.simulator import feature_maps
from compile.ethos_u.simulator.errors import SimulationError
from compile.ethos_u.simulator.memory import Memory
from compile.ethos_u.simulator.operations import Shape, Upscaling, Windowed

Values = NDArray[np.float64]
"""Integers: float64 holds those of 53 bits exactly, and its matrix product is the fast one."""


def padded_input(memory: Memory, operation: Windowed, padding_value: float) -> Values:
    """The IFM [height, width, depth] with its padding around it, less its zero point.

    How high and wide the IFM is no register tells: as much as the OFM needs, the padding taken away.
    """
    kernel, padding, shape = operation.kernel, operation.padding, operation.shape
    height = (shape.height - 1) * kernel.stride_y + kernel.dilated_height - padding.top - padding.bottom
    width = (shape.width - 1) * kernel.stride_x + kernel.dilated_width - padding.left - padding.right
    if height < 1 or width < 1:
        raise SimulationError(f"nothing but padding in an operation on {operation.ifm_depth} channels")
    factor = 1 if operation.upscaling is Upscaling.NONE else 2
    stored = Shape(-(-height // factor), -(-width // factor), operation.ifm_depth)
    features = feature_maps.read(memory, operation.ifm, stored)
    values = np.full(
        (height + padding.top + padding.bottom, width + padding.left + padding.right, operation.ifm_depth),
        float(padding_value),
    )
    inside = values[padding.top : padding.top + height, padding.left : padding.left + width]
    match operation.upscaling:
        case Upscaling.NONE:
            np.subtract(features, operation.ifm.zero_point, out=inside, dtype=np.float64)
        case Upscaling.NEAREST:
            repeated = features.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
            np.subtract(repeated, operation.ifm.zero_point, out=inside, dtype=np.float64)
        case Upscaling.ZEROS:
            inside[...] = 0
            np.subtract(features, operation.ifm.zero_point, out=inside[::2, ::2], dtype=np.float64)
    return values


def taps(values: Values, operation: Windowed) -> Iterator[tuple[int, int, Values]]:
    """(row, column, what it sees [OFM height, OFM width, depth]) for each kernel element."""
    kernel, shape = operation.kernel, operation.shape
    for row in range(kernel.height):
        top = row * kernel.dilation_y
        for column in range(kernel.width):
            left = column * kernel.dilation_x
            yield (
                row,
                column,
                values[
                    top : top + (shape.height - 1) * kernel.stride_y + 1 : kernel.stride_y,
                    left : left + (shape.width - 1) * kernel.stride_x + 1 : kernel.stride_x,
                ],
            )
