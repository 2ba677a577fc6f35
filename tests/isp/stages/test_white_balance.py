from __future__ import annotations

import logging

import numpy as np
import pytest
from pydantic import ValidationError

from isp.cfa import Cfa
from isp.errors import ConfigError
from isp.sample.sensor import mosaic_of
from isp.stage import Domain
from isp.stages.white_balance import WhiteBalance
from tests.isp.stages.signals import signal_of

NEUTRAL = (0.5, 1.0, 0.625)


def run(signal, **parameters):
    return WhiteBalance()(signal, WhiteBalance.Parameters(**parameters))


def grey_scene(shape=(31, 46), neutral=NEUTRAL):
    return (np.random.default_rng(5).uniform(0, 0.9, (*shape, 1)) * neutral).astype(np.float32)


@pytest.mark.parametrize("cfa", list(Cfa))
def test_as_shot_makes_a_neutral_mosaic_grey(cfa):
    rgb = grey_scene()
    result = run(signal_of(mosaic_of(rgb, cfa), cfa, Domain.LINEAR_MOSAIC, neutral=NEUTRAL), method="as_shot")
    np.testing.assert_allclose(result.data, rgb[..., 1], rtol=1e-6)
    assert result.white_balance == pytest.approx((2.0, 1.0, 1.6))
    assert result.saturation == pytest.approx((2.0, 1.0, 1.6))


def test_as_shot_makes_neutral_rgb_grey():
    rgb = grey_scene()
    result = run(signal_of(rgb, None, Domain.LINEAR_RGB, neutral=NEUTRAL))
    np.testing.assert_allclose(result.data, rgb[..., 1:2].repeat(3, 2), rtol=1e-6)


def test_no_gain_is_below_one_so_that_blown_stays_blown():
    result = run(
        signal_of(np.ones((4, 4), np.float32), Cfa.RGGB, Domain.LINEAR_MOSAIC), method="gains", gains=(0.8, 1, 2)
    )
    assert result.white_balance == pytest.approx((1.0, 1.25, 2.5))
    assert result.data.min() == 1


@pytest.mark.parametrize("cfa", [*Cfa, None])
def test_grey_world_balances_the_mean_and_ignores_what_is_blown(cfa):
    rgb = grey_scene((200, 300))
    rgb[:100, :100] = 1  # blown to camera white: magenta after balance, and no colour to judge by
    data = rgb if cfa is None else mosaic_of(rgb, cfa)
    domain = Domain.LINEAR_RGB if cfa is None else Domain.LINEAR_MOSAIC
    result = run(signal_of(data, cfa, domain), method="grey_world")
    assert result.white_balance == pytest.approx((2.0, 1.0, 1.6), rel=0.02)


def test_default_turns_to_grey_world_without_neutral_and_says_so(caplog):
    signal = signal_of(mosaic_of(grey_scene((200, 300)), Cfa.BGGR), Cfa.BGGR, Domain.LINEAR_MOSAIC)
    with caplog.at_level(logging.INFO):
        result = run(signal)
    assert result.white_balance == pytest.approx((2.0, 1.0, 1.6), rel=0.02)
    assert "capture.dng: no as-shot white balance, so grey world" in caplog.text


def test_as_shot_without_neutral_is_a_config_error():
    with pytest.raises(ConfigError, match=r"capture\.dng .* set white_balance\.method to grey_world, or to gains"):
        run(signal_of(np.ones((4, 4), np.float32), Cfa.RGGB, Domain.LINEAR_MOSAIC), method="as_shot")


def test_black_picture_keeps_its_colours(caplog):
    result = run(signal_of(np.zeros((8, 8), np.float32), Cfa.RGGB, Domain.LINEAR_MOSAIC), method="grey_world")
    assert result.white_balance == (1.0, 1.0, 1.0)
    assert "no pixels between black and white" in caplog.text


@pytest.mark.parametrize(
    "parameters", [{"method": "gains"}, {"gains": (1, 1, 1)}, {"method": "gains", "gains": (0, 1, 1)}]
)
def test_gains_and_their_method_come_together(parameters):
    with pytest.raises(ValidationError, match="gains"):
        WhiteBalance.Parameters(**parameters)


def test_two_balances_multiply():
    signal = signal_of(np.ones((4, 4), np.float32), Cfa.RGGB, Domain.LINEAR_MOSAIC, neutral=NEUTRAL)
    result = run(run(signal), method="gains", gains=(1, 2, 1))
    assert result.white_balance == pytest.approx((2.0, 2.0, 1.6))
