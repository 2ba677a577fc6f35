"""Pooling: the largest element of a window, the sum of a window scaled by one factor, or the sum of the channels.

An average is a sum whose scale has the number of elements in it; with a window of one element it copies and rescales.
"""

from __future__ import annotations

import numpy as np

from compile.ethos_u.simulator import feature_maps, windows
from compile.ethos_u.simulator.errors import SimulationError, UnmodelledError
from compile.ethos_u.simulator.memory import Memory
from compile.ethos_u.simulator.operations import Pooling, PoolingMode, Upscaling, Windowed
from compile.ethos_u.simulator.rounding import Wide, finished, single


def pool(memory: Memory, operation: Pooling) -> None:
    windowed = operation.windowed
    output, ofm = windowed.output, windowed.ofm
    feature_maps.check_writable(memory, ofm, windowed.shape)
    if output.scale is None:
        raise UnmodelledError("pooling without one scale for all channels")
    if operation.mode is PoolingMode.SUM_OF_CHANNELS:
        sums = _sum_of_channels(memory, windowed)
    else:
        sums = _over_windows(memory, operation)
    by = single(output.scale.multiplier, output.scale.shift)
    feature_maps.write(memory, ofm, finished(sums, by, output, ofm.zero_point, ofm.dtype))


def _over_windows(memory: Memory, operation: Pooling) -> Wide:
    windowed = operation.windowed
    if windowed.ifm_depth != windowed.shape.depth:
        raise SimulationError(f"pooling from {windowed.ifm_depth} to {windowed.shape.depth} channels")
    if operation.mode is PoolingMode.MAX:
        if windowed.upscaling is Upscaling.ZEROS:
            raise UnmodelledError("the largest of elements between which zeros are inserted")
        values = windows.padded_input(memory, windowed, -np.inf)
        largest = np.full((windowed.shape.height, windowed.shape.width, windowed.shape.depth), -np.inf)
        for _row, _column, seen in windows.taps(values, windowed):
            np.maximum(largest, seen, out=largest)
        return largest.astype(np.int64)
    values = windows.padded_input(memory, windowed, 0)
    sums = np.zeros((windowed.shape.height, windowed.shape.width, windowed.shape.depth))
    for _row, _column, seen in windows.taps(values, windowed):
        sums += seen
    return sums.astype(np.int64)


def _sum_of_channels(memory: Memory, windowed: Windowed) -> Wide:
    kernel = windowed.kernel
    if (kernel.height, kernel.width, windowed.shape.depth) != (1, 1, 1):
        raise UnmodelledError(f"the sum of channels with a {kernel.height}x{kernel.width} kernel")
    sums = windows.padded_input(memory, windowed, 0).sum(axis=2, keepdims=True)
    return sums.astype(np.int64)
