from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp.stage import Domain
from isp.stages.highlights import Highlights
from isp.stages.white_balance import WhiteBalance
from tests.isp.stages.signals import signal_of

NEUTRAL = (0.5, 1.0, 0.625)
SATURATION = (2.0, 1.0, 1.6)


def develop(rgb, method):
    """White balance as shot, then highlights, of camera RGB that the sensor limits to 1."""
    signal = signal_of(np.minimum(rgb, 1).astype(np.float32), None, Domain.LINEAR_RGB, neutral=NEUTRAL)
    signal = WhiteBalance()(signal, WhiteBalance.Parameters(method="as_shot"))
    return Highlights()(signal, Highlights.Parameters(method=method))


@pytest.mark.parametrize("method", ["clip", "reconstruct"])
def test_blown_area_is_neutral(method):
    result = develop(np.full((70, 9, 3), 3.0), method)
    level = {"clip": 1.0, "reconstruct": 2.0}[method]
    np.testing.assert_allclose(result.data, level, rtol=1e-6)
    assert result.saturation == pytest.approx((level,) * 3)


@pytest.mark.parametrize("method", ["clip", "reconstruct"])
def test_grey_ramp_into_white_stays_neutral_and_rises(method):
    light = np.linspace(0, 4, 4001)
    ramp = develop((light[:, None] * NEUTRAL)[None], method).data[0]
    assert np.ptp(ramp, axis=1).max() < 0.02
    assert np.diff(ramp, axis=0).min() > -1e-6


def test_reconstruction_keeps_detail_where_one_colour_is_not_full():
    light = np.array([1.2, 1.5, 1.8])  # green is full from 1, blue from 1.6, red from 2
    pixels = develop((light[:, None] * NEUTRAL)[None], "reconstruct").data[0]
    np.testing.assert_allclose(pixels, light[:, None].repeat(3, 1), rtol=0.02)


def test_reconstruction_keeps_a_sunset_from_turning_pink():
    """True (3.0, 1.8, 0.5): red and green are full, and green is seen at 1 where it was 1.8."""
    red, green, blue = develop(np.array([[[1.5, 1.8, 0.3125]]]), "reconstruct").data[0, 0]
    assert (red, blue) == pytest.approx((2.0, 0.5))
    assert 1.05 < green < 1.8


@given(st.lists(st.floats(-0.1, 0.94), min_size=3, max_size=3))
def test_colours_below_saturation_are_unchanged_by_reconstruction(part):
    rgb = (np.array(part, np.float32) * np.float32(SATURATION)).reshape(1, 1, 3)
    signal = replace(signal_of(rgb, None, Domain.LINEAR_RGB), saturation=SATURATION)
    result = Highlights()(signal, Highlights.Parameters(method="reconstruct"))
    np.testing.assert_array_equal(result.data, rgb)


@given(st.lists(st.floats(-0.1, 0.99), min_size=3, max_size=3))
def test_colours_below_the_least_saturation_are_unchanged_by_clipping(values):
    rgb = np.array(values, np.float32).reshape(1, 1, 3)
    result = Highlights()(signal_of(rgb, None, Domain.LINEAR_RGB), Highlights.Parameters(method="clip"))
    np.testing.assert_array_equal(result.data, rgb)


def test_reconstruction_touches_blown_pixels_only():
    rgb = np.random.default_rng(0).uniform(0, 0.9, (130, 40, 3))
    plain = develop(rgb, "reconstruct").data
    blown = rgb.copy()
    blown[64:70, 11:17] = 5
    changed = (develop(blown, "reconstruct").data != plain).any(axis=2)
    assert changed[64:70, 11:17].all()
    assert changed.sum() == 36
