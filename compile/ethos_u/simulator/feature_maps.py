"""Feature maps in memory: layouts NHWC and NHCWB16, strides, and up to four tiles.

In NHWC the channels of a pixel are neighbours. In NHCWB16 channels come in bricks of 16: a row holds, brick by
brick, the 16 channels of each of its pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compile.ethos_u.simulator.errors import SimulationError, UnmodelledError
from compile.ethos_u.simulator.memory import Memory
from compile.ethos_u.simulator.operations import FeatureMap, Layout, Shape

BRICK = 16
"""Channels, in NHCWB16; its addresses and strides are multiples of as many bytes."""

Features = NDArray[np.integer]


def read(memory: Memory, feature_map: FeatureMap, shape: Shape) -> Features:
    """Its elements [height, width, depth], of its own type, zero point still in them."""
    found = [
        (part, memory.read(feature_map.region, part.address, part.shape, part.strides, feature_map.dtype))
        for part in _parts(feature_map, shape)
    ]
    features = np.empty((shape.height, shape.width, shape.depth), feature_map.dtype)
    for part, elements in found:
        target = features[part.rows, part.columns, part.channels]
        target[...] = elements.reshape(target.shape)
    return features


def check_writable(memory: Memory, feature_map: FeatureMap, shape: Shape) -> None:
    """Raises SimulationError where `write` would, before anything of that size is computed."""
    for part in _parts(feature_map, shape):
        memory.check_writable(feature_map.region, part.address, part.shape, part.strides, feature_map.dtype)


def write(memory: Memory, feature_map: FeatureMap, features: Features) -> None:
    """Stores elements [height, width, depth]."""
    height, width, depth = features.shape
    for part in _parts(feature_map, Shape(height, width, depth)):
        values = features[part.rows, part.columns, part.channels].reshape(part.shape)
        memory.write(feature_map.region, part.address, part.strides, feature_map.dtype, values)


@dataclass(frozen=True)
class _Part:
    """A piece of a feature map that lies regularly: where in the feature map, and where in memory."""

    rows: slice
    columns: slice
    channels: slice
    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _parts(feature_map: FeatureMap, shape: Shape) -> Iterator[_Part]:
    _check(feature_map)
    for rows, columns, base in _tiles(feature_map, shape):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        element = feature_map.element_bytes
        pixel = (feature_map.stride_y, feature_map.stride_x)
        if feature_map.layout is Layout.NHWC:
            channels = slice(0, shape.depth)
            yield _Part(rows, columns, channels, base, (height, width, shape.depth), (*pixel, element))
            continue
        bricks, rest = divmod(shape.depth, BRICK)
        if bricks:
            channels = slice(0, bricks * BRICK)
            strides = (*pixel, feature_map.stride_c, element)
            yield _Part(rows, columns, channels, base, (height, width, bricks, BRICK), strides)
        if rest:
            channels = slice(bricks * BRICK, shape.depth)
            address = base + bricks * feature_map.stride_c
            yield _Part(rows, columns, channels, address, (height, width, rest), (*pixel, element))


def _tiles(feature_map: FeatureMap, shape: Shape) -> Iterator[tuple[slice, slice, int]]:
    """(rows, columns, address of their first element) of the tiles that are not empty."""
    divide = min(feature_map.tile_width_0, shape.width)
    for side, columns in enumerate((slice(0, divide), slice(divide, shape.width))):
        if columns.start == columns.stop:
            continue
        divide_rows = min((feature_map.tile_height_0, feature_map.tile_height_1)[side], shape.height)
        yield slice(0, divide_rows), columns, feature_map.bases[side]
        if divide_rows < shape.height:
            yield slice(divide_rows, shape.height), columns, feature_map.bases[2 + side]


def _check(feature_map: FeatureMap) -> None:
    element = feature_map.element_bytes
    if feature_map.layout is Layout.NHWC:
        if feature_map.stride_c != element:
            raise UnmodelledError(f"NHWC with channels {feature_map.stride_c} bytes apart", expected=f"{element}")
        return
    if feature_map.stride_x != BRICK * element:
        raise UnmodelledError(f"NHCWB16 with pixels {feature_map.stride_x} bytes apart", expected=f"{BRICK * element}")
    for distance in (*feature_map.bases, feature_map.stride_y, feature_map.stride_c):
        if distance % BRICK:
            raise SimulationError(f"NHCWB16 with an address or stride {distance:#x}", expected="multiples of 16")
