from __future__ import annotations

import numpy as np
import pytest

from isp.colour.metering import metered_gain

LIMITS = {"key": 0.18, "highlight_percentile": 99.0, "highlight_limit": 1.5, "saturation": 1.0}


def test_even_grey_comes_to_the_key():
    assert metered_gain(np.full((40, 60, 3), 0.06, np.float32), **LIMITS) == pytest.approx(3.0, rel=0.01)


def test_highlights_hold_the_gain_back():
    rgb = np.full((100, 100, 3), 0.01, np.float32)
    rgb[:5] = 0.75
    assert metered_gain(rgb, **LIMITS) == pytest.approx(2.0, rel=0.01)


def test_a_few_bright_lights_do_not():
    rgb = np.full((100, 100, 3), 0.05, np.float32)
    rgb[0, :50] = 1.0
    assert metered_gain(rgb, **LIMITS) > 3.0


def test_noise_does_not_meter():
    rng = np.random.default_rng(3)
    clean = np.full((2048, 2048, 3), 0.02, np.float32)
    noisy = clean + rng.normal(0, 0.02, clean.shape).astype(np.float32)
    assert metered_gain(noisy, **LIMITS) == pytest.approx(metered_gain(clean, **LIMITS), rel=0.05)


@pytest.mark.parametrize("level", [0.0, -0.1])
def test_black_is_left_alone(level):
    assert metered_gain(np.full((10, 10, 3), level, np.float32), **LIMITS) == 1.0


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (5000, 2)])
def test_odd_shapes(shape):
    assert metered_gain(np.full((*shape, 3), 0.09, np.float32), **LIMITS) == pytest.approx(2.0, rel=0.01)
