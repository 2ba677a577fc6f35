from __future__ import annotations

import math

import numpy as np
import pytest

from isp.noise.clipping import ClippingPoints, clipping_points, unclipped


@pytest.mark.parametrize(("mean", "sigma"), [(2, 3), (0.5, 2), (6, 4)])
@pytest.mark.parametrize("end", ["floor", "ceiling"])
def test_moments_before_clipping_and_rounding_are_recovered(mean, sigma, end):
    values = mean + sigma * np.random.default_rng(3).normal(size=400_000)
    clipped = np.rint(values).clip(0, None)
    points = ClippingPoints(0, math.inf)
    if end == "ceiling":
        clipped, points, mean = 100 - clipped, ClippingPoints(-math.inf, 100), 100 - mean
    centre, variance, kept = unclipped(clipped.mean(), clipped.var(), points, 1)
    assert centre == pytest.approx(mean, abs=0.1 * sigma)
    assert variance == pytest.approx(sigma**2 + 1 / 12, rel=0.1)
    assert kept < 1


def test_far_from_clipping_nothing_is_changed():
    assert unclipped(50, 4, ClippingPoints(0, 100), 1) == (50, 4, 1)


def test_where_values_pile_up_they_are_clipped():
    values = np.random.default_rng(4).normal(0.5, 0.3, (200, 200)).astype(np.float32)
    assert clipping_points(values, 0) == ClippingPoints(-math.inf, math.inf)
    assert clipping_points(values.clip(0, 1), 0) == ClippingPoints(0, 1)
    assert clipping_points(values.clip(0, None), 0) == ClippingPoints(0, math.inf)


def test_the_last_level_of_coarse_data_is_not_clipping():
    """Half a digital number of noise: three levels hold nearly all pixels, the outermost many."""
    rounded = np.rint(np.random.default_rng(5).normal(16, 0.55, (200, 200))).astype(np.float32)
    assert np.mean(rounded == rounded.min()) > 1e-3
    assert not clipping_points(rounded, 1).exist
    assert clipping_points(rounded.clip(16, None), 1).floor == 16
