"""Weights and scales as a core consumes them, back in their places.

Weights are compressed; Vela's codec, which has the accelerator's format, gives them back in the order in which the
multiply-accumulate array takes them: block by block of output channels, then of input channels, then of kernels of
up to 8 by 8 elements, and inside them microblocks. Places that the array has and the kernel has not hold zeros.

References
----------
Vela, `mlw_codec` and "Weight compression"; scale records: `weight_compressor.py`, 40 bits of bias, 32 of multiplier,
6 of shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from compile.ethos_u.simulator.errors import SimulationError
from compile.ethos_u.simulator.rounding import Multipliers, Wide
from isp.errors import ConfigError

SUBKERNEL = 8
"""Rows and columns of a kernel that are worked on at a time; dilation counts."""
RECORD_BYTES = 10
SPAN_MULTIPLE_BYTES = 16
NOWHERE = -1


@dataclass(frozen=True)
class WeightOrder:
    """What the order of a core's weights depends on."""

    ofm_depth: int
    """Output channels of this core."""
    height: int
    width: int
    ifm_depth: int
    """1 where every channel has its own kernel."""
    is_depthwise: bool
    part_kernel_first: bool
    ifm_bits: int
    block_depth: int
    """Output channels of this core per block."""
    dilation_y: int
    dilation_x: int
    ofm_microblock: int
    ifm_microblock: int


@dataclass(frozen=True)
class Scales:
    """Of one core's output channels."""

    bias: Wide
    by: Multipliers


@lru_cache(maxsize=512)
def decoded(stream: bytes, order: WeightOrder) -> NDArray[np.float64]:
    """Weights [height, width, ifm_depth, ofm_depth].

    The codec ends the process at a damaged stream: see `isolation.run_isolated`. Raises SimulationError for a stream
    of another length, or with something where the kernel has nothing, and ConfigError without Vela.
    """
    try:
        from ethosu import mlw_codec
    except ImportError as error:
        raise ConfigError(
            f"Vela's weight codec is missing ({error})", remedy="install it: pip install 'fan-isp[npu]'"
        ) from error
    values = np.asarray(mlw_codec.decode(bytearray(stream)), np.int16)
    places = _places(order)
    if len(values) != len(places):
        raise SimulationError(f"{len(values)} weights in a stream", expected=f"{len(places)}")
    if values[places == NOWHERE].any():
        raise SimulationError("weights where the kernel has none")
    volume = np.zeros(order.ofm_depth * order.height * order.width * order.ifm_depth, np.float64)
    volume[places[places != NOWHERE]] = values[places != NOWHERE]
    ohwi = volume.reshape(order.ofm_depth, order.height, order.width, order.ifm_depth)
    return np.ascontiguousarray(ohwi.transpose(1, 2, 3, 0))


@lru_cache(maxsize=512)
def _places(order: WeightOrder) -> NDArray[np.int64]:
    """For each weight of a stream its index into [ofm_depth, height, width, ifm_depth], or NOWHERE."""
    ifm_block = 16 if order.part_kernel_first or order.ifm_bits == 16 else 32
    tall, wide = SUBKERNEL // order.dilation_y, SUBKERNEL // order.dilation_x
    return np.concatenate(
        [
            _block_places(order, ofm_first, ifm_first, ifm_block, (top, left, tall, wide))
            for ofm_first, ifm_first, top, left in product(
                range(0, order.ofm_depth, order.block_depth),
                range(0, order.ifm_depth, ifm_block),
                range(0, order.height, tall),
                range(0, order.width, wide),
            )
        ]
    )


def _block_places(
    order: WeightOrder, ofm_first: int, ifm_first: int, ifm_block: int, subkernel: tuple[int, int, int, int]
) -> NDArray[np.int64]:
    top, left, tall, wide = subkernel
    rows, columns = min(tall, order.height - top), min(wide, order.width - left)
    elements = _rounded(rows * columns, _element_multiple(order))
    ofm_end = min(ofm_first + order.block_depth, order.ofm_depth)
    ifm_end = min(ifm_first + ifm_block, order.ifm_depth)
    ofm_groups = -(-(ofm_end - ofm_first) // order.ofm_microblock)
    ifm_lanes = 1 if order.is_depthwise else order.ifm_microblock

    # Axes from the slowest to the fastest; the groups of input channels are outside the kernel, where only those are
    # stored that the IFM has, or inside it, where blocks are always full.
    ifm_groups = 1 if order.is_depthwise else ifm_block // order.ifm_microblock
    axes = [ofm_groups, elements, ifm_groups, order.ofm_microblock, ifm_lanes]
    if order.part_kernel_first:
        ifm_groups = -(-(ifm_end - ifm_first) // order.ifm_microblock)
        axes = [ifm_groups, ofm_groups, elements, order.ofm_microblock, ifm_lanes]
        ifm_group, ofm_group, element, ofm_lane, ifm_lane = np.indices(axes, np.int64)
    else:
        ofm_group, element, ifm_group, ofm_lane, ifm_lane = np.indices(axes, np.int64)
    ofm = ofm_first + ofm_group * order.ofm_microblock + ofm_lane
    ifm = ifm_first + ifm_group * order.ifm_microblock + ifm_lane
    row, column = element // columns, element % columns
    places = ((ofm * order.height + top + row) * order.width + left + column) * order.ifm_depth + ifm
    exists = (ofm < ofm_end) & (ifm < ifm_end) & (row < rows)
    return np.where(exists, places, NOWHERE).ravel()


def _element_multiple(order: WeightOrder) -> int:
    """Kernel elements are padded to a multiple of what the array takes at a time."""
    if order.is_depthwise:
        return 4
    if order.part_kernel_first:
        return 2 if order.ifm_bits == 16 else 4
    return 1


def scales(records: bytes, channels: int) -> Scales:
    """Bias and scale of each of a core's channels.

    Raises SimulationError for a span of another length or reserved bits that are set.
    """
    expected = _rounded(RECORD_BYTES * channels, SPAN_MULTIPLE_BYTES)
    if len(records) != expected:
        raise SimulationError(f"{len(records)} bytes of scales for {channels} channels", expected=f"{expected}")
    rows = np.frombuffer(records, np.uint8, RECORD_BYTES * channels).reshape(channels, RECORD_BYTES).astype(np.int64)
    if (rows[:, 9] >> 6).any():
        raise SimulationError("reserved bits of a scale record are set")
    bias = rows[:, :5] @ (1 << 8 * np.arange(5))
    return Scales(
        bias=np.where(bias >> 39, bias - (1 << 40), bias),
        by=Multipliers(multiplier=rows[:, 5:9] @ (1 << 8 * np.arange(4)), shift=rows[:, 9]),
    )


def _rounded(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
