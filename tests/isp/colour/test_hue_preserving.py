from __future__ import annotations

import colorsys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp.colour.hue_preserving import apply_keeping_hue
from isp.colour.sigmoid import Sigmoid

CURVE = Sigmoid.through(1.5, 0.24, 1.0)
channel = st.floats(1 / 64, 1.0, width=32)


def mapped(rgb):
    rgb = np.array(rgb, np.float32)
    apply_keeping_hue(rgb, CURVE.apply)
    return rgb


def per_channel(rgb):
    rgb = np.array(rgb, np.float32)
    CURVE.apply(rgb)
    return rgb


@given(channel, channel, channel)
def test_hue_is_kept_and_the_ends_follow_the_curve(red, green, blue):
    pixel = np.array([[[red, green, blue]]], np.float32)
    found, curve = mapped(pixel), per_channel(pixel)
    assert found.max() == pytest.approx(curve.max(), abs=1e-5)
    assert found.min() == pytest.approx(curve.min(), abs=1e-5)
    if np.ptp(pixel) > 0.05:
        turn = colorsys.rgb_to_hsv(*found[0, 0].astype(float))[0] - colorsys.rgb_to_hsv(red, green, blue)[0]
        assert abs((turn + 0.5) % 1 - 0.5) < 1e-3


def test_greys_follow_the_curve():
    greys = np.repeat(np.linspace(0, 1.5, 301, dtype=np.float32)[None, :, None], 3, axis=2)
    np.testing.assert_allclose(mapped(greys), per_channel(greys), atol=1e-6)


def test_a_bright_saturated_colour_fades_to_white():
    low = [mapped([[[x, 0.3 * x, 0.1 * x]]]).min() for x in (1.0, 3.0, 20.0)]
    assert low[0] < low[1] < low[2]
    assert low[2] == pytest.approx(1.0)


def test_colours_outside_the_gamut_keep_their_ratio():
    found = mapped([[[0.5, 0.2, -0.1]]])[0, 0]
    assert found[2] / found[0] == pytest.approx(-0.2, abs=1e-5)
    assert 0 < found[1] < found[0]


def test_no_jump_at_the_edge_of_the_gamut():
    inside, outside = mapped([[[0.5, 0.2, 1e-5]]]), mapped([[[0.5, 0.2, -1e-5]]])
    np.testing.assert_allclose(inside, outside, atol=1e-4)


def test_black_and_noise_below_black_are_black_and_finite():
    found = mapped([[[0, 0, 0], [-0.01, -0.02, -0.005], [1e-20, -0.01, 0]]])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0, :2], 0.0, atol=1e-6)
    assert found.max() < 1e-6


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (300, 401), (3, 40_000)])
def test_every_pixel_is_reached_whatever_the_size(shape):
    rgb = np.random.default_rng(1).random((*shape, 3), dtype=np.float32)
    whole = mapped(rgb)
    single = mapped(rgb[-1:, -1:])
    np.testing.assert_allclose(whole[-1:, -1:], single, atol=1e-6)
    assert np.abs(whole - rgb).max(axis=2).min() > 0
