from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp.raw_frame import Rect
from isp.stage import Domain
from isp.stages.exposure import Exposure
from tests.isp.colour.captures import a_frame, a_signal


def run(data, frame=None, saturation=(1.0, 1.0, 1.0), **parameters):
    signal = a_signal(np.asarray(data), Domain.SCENE_RGB, frame, saturation=saturation)
    return Exposure()(signal, Exposure.Parameters(**parameters))


def even(level, height=40, width=60):
    return np.full((height, width, 3), level, np.float32)


@given(ev=st.floats(-10, 10))
def test_ev_is_a_power_of_two_and_saturation_goes_with_it(ev):
    found = run(even(0.1), saturation=(1.0, 2.0, 3.0), metering="none", ev=ev)
    np.testing.assert_allclose(found.data, 0.1 * 2.0**ev, rtol=1e-5)
    np.testing.assert_allclose(found.saturation, np.array([1, 2, 3]) * 2.0**ev, rtol=1e-5)


@pytest.mark.parametrize(("baseline", "gain"), [("apply", 2.0**1.5), ("ignore", 1.0)])
def test_baseline_exposure(baseline, gain):
    found = run(even(0.1), a_frame(40, 60, baseline_exposure_ev=1.5), metering="none", baseline=baseline)
    np.testing.assert_allclose(found.data, 0.1 * gain, rtol=1e-6)


def test_metering_brings_an_even_scene_to_the_key_whatever_the_baseline():
    for baseline_ev in (0.0, 1.0):
        found = run(even(0.05), a_frame(40, 60, baseline_exposure_ev=baseline_ev), key=0.18)
        np.testing.assert_allclose(found.data, 0.18, rtol=0.01)


def test_ev_comes_on_top_of_metering():
    np.testing.assert_allclose(run(even(0.05), key=0.1, ev=1.0).data, 0.2, rtol=0.01)


@pytest.mark.parametrize(("level", "gain"), [(0.0005, 4.0), (0.9, 0.5)])
def test_metering_stays_within_its_limits(level, gain):
    found = run(even(level), highest_metered_ev=2.0, lowest_metered_ev=-1.0)
    np.testing.assert_allclose(found.data, level * gain, rtol=1e-5)


def test_metering_looks_at_the_default_crop_only():
    data = even(0.05)
    data[:10] = 0.9
    frame = a_frame(80, 120, default_crop=Rect(20, 0, 80, 120))  # the picture is half the mosaic's size
    np.testing.assert_allclose(run(data, frame, key=0.1).data[20:], 0.1, rtol=0.01)


def test_negative_values_are_kept():
    assert run([[[-0.01, 0.2, 0.3]]], metering="none", ev=1.0).data[0, 0, 0] == pytest.approx(-0.02)
