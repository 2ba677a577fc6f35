"""Feature maps lie in memory where their layouts, strides and tiles say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compile.ethos_u.simulator import SimulationError, UnmodelledError, feature_maps
from compile.ethos_u.simulator.memory import Memory, constants, scratch
from compile.ethos_u.simulator.operations import FeatureMap, Layout, Shape

SIZE = 1 << 16
TILE_BYTES = SIZE // 4


@st.composite
def placed(draw: st.DrawFn) -> tuple[FeatureMap, Shape]:
    """A feature map and a shape for which it has room, with gaps and up to four tiles."""
    shape = Shape(draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(1, 40)))
    element = draw(st.sampled_from([1, 2, 4]))
    gap = 16 * draw(st.integers(0, 2))
    if draw(st.booleans()):
        layout, stride_c = Layout.NHWC, element
        stride_x = shape.depth * element + gap
        stride_y = shape.width * stride_x + gap
    else:
        layout, stride_x = Layout.NHCWB16, 16 * element
        stride_c = shape.width * stride_x + gap
        stride_y = -(-shape.depth // 16) * stride_c + gap
    feature_map = FeatureMap(
        region=1,
        bases=(0, TILE_BYTES, 2 * TILE_BYTES, 3 * TILE_BYTES),
        tile_height_0=draw(st.integers(1, 7)),
        tile_height_1=draw(st.integers(1, 7)),
        tile_width_0=draw(st.integers(1, 7)),
        stride_y=stride_y,
        stride_x=stride_x,
        stride_c=stride_c,
        layout=layout,
        dtype=f"<i{element}",
        zero_point=0,
    )
    return feature_map, shape


def address(feature_map: FeatureMap, y: int, x: int, c: int) -> int:
    """As the reference manual says, element by element."""
    tile = 0
    if x >= feature_map.tile_width_0:
        x, tile = x - feature_map.tile_width_0, 1
    height = feature_map.tile_height_1 if tile else feature_map.tile_height_0
    if y >= height:
        y, tile = y - height, tile + 2
    element = feature_map.element_bytes
    pixel = feature_map.bases[tile] + y * feature_map.stride_y
    if feature_map.layout is Layout.NHWC:
        return pixel + x * feature_map.stride_x + c * element
    return pixel + c // 16 * feature_map.stride_c + x * 16 * element + c % 16 * element


@given(placed())
def test_reads_every_element_where_it_lies(example: tuple[FeatureMap, Shape]) -> None:
    feature_map, shape = example
    content = np.random.default_rng(0).integers(0, 256, SIZE).astype(np.uint8).tobytes()
    found = feature_maps.read(Memory({1: constants(content)}), feature_map, shape)
    for y, x, c in np.ndindex(found.shape):
        at = address(feature_map, y, x, c)
        assert found[y, x, c] == np.frombuffer(content, feature_map.dtype, 1, at)[0]


@given(placed())
def test_reads_what_it_wrote_and_writes_nothing_else(example: tuple[FeatureMap, Shape]) -> None:
    feature_map, shape = example
    features = np.random.default_rng(1).integers(-128, 128, (shape.height, shape.width, shape.depth))
    memory = Memory({1: scratch(SIZE)})
    feature_maps.write(memory, feature_map, features.astype(feature_map.dtype))
    np.testing.assert_array_equal(feature_maps.read(memory, feature_map, shape), features)
    with pytest.raises(SimulationError, match="nobody wrote"):
        memory.load(1, 0, SIZE)


NHWC = FeatureMap(1, (0, 0, 0, 0), 4, 4, 4, 64, 16, 2, Layout.NHWC, "<i2", 0)
NHCWB16 = FeatureMap(1, (0, 0, 0, 0), 4, 4, 4, 128, 32, 512, Layout.NHCWB16, "<i2", 0)
SHAPE = Shape(4, 4, 8)


def test_backwards() -> None:
    backwards = replace(NHWC, bases=(192, 0, 0, 0), stride_y=-64)
    memory = Memory({1: scratch(256)})
    features = np.arange(4 * 4 * 8, dtype="<i2").reshape(4, 4, 8)
    feature_maps.write(memory, backwards, features)
    np.testing.assert_array_equal(feature_maps.read(memory, NHWC, SHAPE), features[::-1])


@pytest.mark.parametrize(
    ("feature_map", "error", "message"),
    [
        (replace(NHWC, stride_c=4), UnmodelledError, "channels 4 bytes apart"),
        (replace(NHCWB16, stride_x=16), UnmodelledError, "pixels 16 bytes apart"),
        (replace(NHCWB16, bases=(8, 0, 0, 0)), SimulationError, "multiples of 16"),
        (replace(NHCWB16, stride_c=520), SimulationError, "multiples of 16"),
        (replace(NHWC, bases=(1, 0, 0, 0)), SimulationError, "elements of 2 bytes at 0x1"),
        (replace(NHWC, stride_y=1 << 20), SimulationError, "within 0x100 bytes"),
        (replace(NHWC, stride_y=-64), SimulationError, "within 0x100 bytes"),
        (replace(NHWC, region=3), SimulationError, "region 3"),
    ],
)
def test_refused(feature_map: FeatureMap, error: type[SimulationError], message: str) -> None:
    memory = Memory({1: scratch(256)})
    with pytest.raises(error, match=message):
        feature_maps.check_writable(memory, feature_map, SHAPE)
    with pytest.raises(error, match=message):
        feature_maps.read(memory, feature_map, SHAPE)


def test_constants_stay() -> None:
    with pytest.raises(SimulationError, match="writes to constants"):
        feature_maps.write(Memory({1: constants(bytes(256))}), NHWC, np.zeros((4, 4, 8), "<i2"))
