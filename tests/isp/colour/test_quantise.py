from __future__ import annotations

import colour
import numpy as np
import pytest

from isp.colour.colour_space import ColourSpace
from isp.colour.quantise import encode

EVERY_SPACE = list(ColourSpace)


def srgb_encoding(linear):
    """IEC 61966-2-1, in float64."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_srgb_is_rounded_to_nearest(dtype):
    linear = np.linspace(0, 1, 300_000, dtype=np.float32).reshape(250, 400, 3)
    exact = srgb_encoding(linear.astype(np.float64)) * np.iinfo(dtype).max
    found = encode(linear.copy(), ColourSpace.SRGB, dtype)
    assert found.dtype == dtype
    assert np.abs(found - exact).max() < 0.51 + (0.02 if dtype == np.uint16 else 0)


@pytest.mark.parametrize(
    ("space", "dtype"), [(space, dtype) for space in EVERY_SPACE for dtype in (np.uint8, np.uint16)]
)
def test_ends_and_clipping(space, dtype):
    top = np.iinfo(dtype).max
    linear = np.array([[[0, 0, 0], [1, 1, 1], [-3, -3, -3], [9, 9, 9]]], np.float32)
    np.testing.assert_array_equal(encode(linear, space, dtype)[0, :, 1], [0, top, 0, top])


def test_mid_grey_is_118():
    assert encode(np.full((1, 1, 3), 0.18, np.float32), ColourSpace.SRGB, np.uint8).tolist() == [[[118, 118, 118]]]


def test_linear_is_proportional():
    linear = np.array([[[0.25, 0.5, 0.75]]], np.float32)
    assert encode(linear, ColourSpace.LINEAR, np.uint16).tolist() == [[[16384, 32768, 49151]]]


def test_display_p3_agrees_with_colour_science():
    linear = np.random.default_rng(2).random((8, 8, 3)).astype(np.float32)
    expected = colour.RGB_to_RGB(linear, "sRGB", "Display P3", apply_cctf_encoding=True) * 65535
    found = encode(linear.copy(), ColourSpace.DISPLAY_P3, np.uint16)
    assert np.abs(found - expected).max() < 20  # of 65535: their matrices are rounded


def test_display_p3_holds_what_srgb_must_clip():
    to_p3 = ColourSpace.DISPLAY_P3.from_linear_srgb()
    outside_srgb = np.linalg.inv(to_p3) @ [0.8, 0.01, 0.02]
    assert outside_srgb.min() < 0
    found = encode(outside_srgb.astype(np.float32).reshape(1, 1, 3), ColourSpace.DISPLAY_P3, np.uint16)
    np.testing.assert_allclose(found[0, 0] / 65535, srgb_encoding(np.array([0.8, 0.01, 0.02])), atol=1e-4)


def test_neutral_stays_neutral_in_every_space():
    greys = np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[None, :, None], 3, axis=2)
    for space in EVERY_SPACE:
        assert np.ptp(encode(greys.copy(), space, np.uint8), axis=2).max() == 0
