"""Weights come back in their places, as Vela's encoder scatters them; scale records as they are packed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compile.ethos_u.simulator import SimulationError
from compile.ethos_u.simulator.weights import WeightOrder, decoded, scales

mlw_codec = pytest.importorskip("ethosu.mlw_codec", reason="Vela is not installed: pip install 'fan-isp[npu]'")


@st.composite
def orders(draw: st.DrawFn) -> WeightOrder:
    is_depthwise = draw(st.booleans())
    return WeightOrder(
        ofm_depth=draw(st.integers(1, 40)),
        height=draw(st.integers(1, 10)),
        width=draw(st.integers(1, 10)),
        ifm_depth=1 if is_depthwise else draw(st.integers(1, 70)),
        is_depthwise=is_depthwise,
        part_kernel_first=not is_depthwise and draw(st.booleans()),
        ifm_bits=draw(st.sampled_from([8, 16])),
        block_depth=draw(st.sampled_from([8, 16, 24, 64])),
        dilation_y=draw(st.sampled_from([1, 2])),
        dilation_x=draw(st.sampled_from([1, 2])),
        ofm_microblock=draw(st.sampled_from([4, 8])),
        ifm_microblock=8,
    )


def encoded(order: WeightOrder, ohwi: np.ndarray) -> bytes:
    stream, _size = mlw_codec.reorder_encode(
        order.ifm_microblock,
        order.ofm_microblock,
        ohwi,
        order.block_depth,
        order.is_depthwise,
        order.part_kernel_first,
        order.ifm_bits,
        8 // order.dilation_y,
        8 // order.dilation_x,
    )
    return bytes(stream)


def drawn(order: WeightOrder, seed: int) -> np.ndarray:
    shape = (order.ofm_depth, order.height, order.width, order.ifm_depth)
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int16)


@settings(max_examples=60, deadline=None)
@given(orders(), st.integers(0, 100))
def test_every_weight_is_in_its_place(order: WeightOrder, seed: int) -> None:
    ohwi = drawn(order, seed)
    np.testing.assert_array_equal(decoded(encoded(order, ohwi), order), ohwi.transpose(1, 2, 3, 0))


ORDER = WeightOrder(8, 3, 3, 16, False, True, 16, 8, 1, 1, 8, 8)


def test_stream_of_another_length() -> None:
    stream = encoded(ORDER, drawn(ORDER, 0))
    with pytest.raises(SimulationError, match="1280 weights in a stream; expected 640"):
        decoded(stream, WeightOrder(8, 3, 3, 8, False, True, 16, 8, 1, 1, 8, 8))


def test_weights_where_the_kernel_has_none() -> None:
    stream = encoded(ORDER, drawn(ORDER, 0))
    with pytest.raises(SimulationError, match="weights where the kernel has none"):
        decoded(stream, WeightOrder(8, 3, 3, 15, False, True, 16, 8, 1, 1, 8, 8))


def record(bias: int, multiplier: int, shift: int) -> bytes:
    return bias.to_bytes(5, "little", signed=True) + multiplier.to_bytes(4, "little") + bytes([shift])


def test_scale_records() -> None:
    packed = record(-(1 << 39), 1, 63) + record((1 << 39) - 1, (1 << 32) - 1, 0) + bytes(12)
    found = scales(packed, 2)
    assert found.bias.tolist() == [-(1 << 39), (1 << 39) - 1]
    assert found.by.multiplier.tolist() == [1, (1 << 32) - 1]
    assert found.by.shift.tolist() == [63, 0]


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (bytes(16), "16 bytes of scales for 2 channels; expected 32"),
        (record(0, 0, 64) * 2 + bytes(12), "reserved bits"),
    ],
)
def test_damaged_scale_records(packed: bytes, message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        scales(packed, 2)
