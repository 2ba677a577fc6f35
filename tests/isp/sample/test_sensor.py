"""The simulated sensor: its noise is the model's, and without noise it is exact."""

from __future__ import annotations

import numpy as np
import pytest
from colour_demosaicing import mosaicing_CFA_Bayer
from hypothesis import given
from hypothesis import strategies as st

from isp.cfa import Cfa
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.sample.maker import COLOUR_MATRIX
from isp.sample.sensor import camera_rgb, digitise, expose, mosaic_of, neutral_of

NONE = NoiseModel.uniform(0, 0, NoiseOrigin.USER)
PER_COLOUR = NoiseModel((1e-3, 4e-3, 1.6e-2), (4e-5, 1e-4, 1e-3), NoiseOrigin.USER)


@pytest.mark.parametrize("cfa", Cfa)
def test_mosaic_has_the_colours_of_colour_demosaicing(cfa):
    picture = np.random.default_rng(1).random((6, 8, 3))
    np.testing.assert_array_equal(mosaic_of(picture, cfa), mosaicing_CFA_Bayer(picture, cfa.value))


@pytest.mark.parametrize("cfa", Cfa)
@pytest.mark.parametrize("level", [0.0, 0.02, 0.5])
def test_noise_of_each_colour_follows_its_model(cfa, level):
    noisy = expose(np.full((400, 400), level, np.float32), cfa, PER_COLOUR, seed=3)
    for position, channel in enumerate(cfa.channels):
        pixels = noisy[position // 2 :: 2, position % 2 :: 2].astype(np.float64)
        expected = PER_COLOUR.shot[channel] * level + PER_COLOUR.read[channel]
        assert pixels.var() == pytest.approx(expected, rel=0.05)
        assert pixels.mean() == pytest.approx(level, abs=4 * np.sqrt(expected / pixels.size))


def test_shot_noise_is_poisson():
    shot = 0.01
    light = np.full((200, 200), 0.02, np.float32)
    noisy = expose(light, Cfa.RGGB, NoiseModel.uniform(shot, 0, NoiseOrigin.USER), seed=5)
    electrons = noisy / shot
    np.testing.assert_allclose(electrons, np.rint(electrons), atol=1e-4)
    # Two electrons expected: a Poisson law has none of them in exp(-2) of the pixels.
    assert (electrons < 0.5).mean() == pytest.approx(np.exp(-2), abs=0.01)


@given(st.sampled_from(list(Cfa)), st.integers(0, 2**32))
def test_no_noise_changes_nothing(cfa, seed):
    clean = np.linspace(0, 1.5, 48, dtype=np.float32).reshape(6, 8)
    np.testing.assert_array_equal(expose(clean, cfa, NONE, seed=seed), clean)


def test_the_seed_decides_and_every_row_has_its_own_stream():
    clean = np.full((8, 64), 0.3, np.float32)
    noisy = expose(clean, Cfa.RGGB, PER_COLOUR, seed=1)
    np.testing.assert_array_equal(noisy, expose(clean, Cfa.RGGB, PER_COLOUR, seed=1))
    assert not np.array_equal(noisy, expose(clean, Cfa.RGGB, PER_COLOUR, seed=2))
    brighter_row = clean.copy()
    brighter_row[3] = 0.6
    unequal = (noisy != expose(brighter_row, Cfa.RGGB, PER_COLOUR, seed=1)).any(axis=1)
    assert np.flatnonzero(unequal).tolist() == [3]


def test_converter_rounds_keeps_what_is_below_black_and_cuts_at_white():
    linear = np.array([[-1.0, -0.01, 0.0, 0.0126], [0.5, 0.9999, 1.0, 2.0]], np.float32)
    stored = digitise(linear, black_dn=64, white_dn=1023)
    assert stored.dtype == np.uint16
    assert stored.tolist() == [[0, 54, 64, 76], [544, 1023, 1023, 1023]]


def test_scene_white_fills_the_most_sensitive_colour():
    white = camera_rgb(np.ones((1, 1, 3), np.float32), COLOUR_MATRIX)[0, 0]
    assert white.max() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(white, neutral_of(COLOUR_MATRIX), rtol=1e-6)


def test_colours_the_sensor_cannot_see_are_black():
    assert camera_rgb(np.array([[[-1.0, 0.0, 0.0]]]), COLOUR_MATRIX).min() == 0
