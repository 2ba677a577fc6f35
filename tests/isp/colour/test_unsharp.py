from __future__ import annotations

import numpy as np
import pytest

from isp.colour.unsharp import flat_deviation, sharpen_luminance

SETTINGS = {"radius_px": 1.0, "amount": 1.0, "threshold_sigma": 0.0}


def an_edge():
    rgb = np.full((64, 64, 3), 0.3, np.float32)
    rgb[:, 32:] = 0.6
    return rgb


def test_deviation_of_pure_noise():
    noise = np.random.default_rng(5).normal(0, 0.03, (512, 512)).astype(np.float32)
    assert flat_deviation(noise) == pytest.approx(0.03, rel=0.06)


def test_deviation_ignores_texture_and_clipped_areas():
    detail = np.random.default_rng(5).normal(0, 0.03, (512, 512)).astype(np.float32)
    detail[:200] *= 10
    detail[400:] = 0
    assert flat_deviation(detail) == pytest.approx(0.03, rel=0.1)


def test_deviation_of_a_picture_smaller_than_a_block_is_0():
    assert flat_deviation(np.ones((8, 8), np.float32)) == 0


def test_edge_overshoots_on_both_sides_by_the_same():
    rgb = an_edge()
    sharpen_luminance(rgb, **SETTINGS)
    over, under = rgb[32, :, 0].max() - 0.6, 0.3 - rgb[32, :, 0].min()
    assert over == pytest.approx(under, abs=1e-5)
    # 0.3 times the share of a unit Gaussian beyond half a pixel, on its pixel grid.
    assert over == pytest.approx(0.3 * 0.30, abs=0.01)


def test_flat_areas_and_colour_differences_are_kept():
    rgb = an_edge() * np.array([1.0, 0.5, 0.25], np.float32)
    before = rgb.copy()
    sharpen_luminance(rgb, **SETTINGS)
    np.testing.assert_allclose(rgb[:, :20], before[:, :20], atol=1e-6)
    np.testing.assert_allclose(rgb[..., 0] - rgb[..., 1], before[..., 0] - before[..., 1], atol=1e-6)


def test_noise_below_the_threshold_is_not_sharpened():
    rng = np.random.default_rng(6)
    rgb = an_edge().repeat(4, 0).repeat(4, 1) + rng.normal(0, 0.01, (256, 256, 1)).astype(np.float32)
    cored, open_ = rgb.copy(), rgb.copy()
    sharpen_luminance(cored, radius_px=1.0, amount=1.0, threshold_sigma=4.0)
    sharpen_luminance(open_, **SETTINGS)
    assert cored[:, :100].std() == pytest.approx(0.01, rel=0.02)
    assert open_[:, :100].std() > 0.017
    assert np.ptp(cored.mean(axis=0)[:, 0]) > np.ptp(rgb.mean(axis=0)[:, 0]) + 0.05


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_saturate(dtype):
    top = np.iinfo(dtype).max
    rgb = np.zeros((16, 16, 3), dtype)
    rgb[:, 8:] = top
    sharpen_luminance(rgb, **SETTINGS)
    assert set(np.unique(rgb)) == {0, top}
