from __future__ import annotations

import numpy as np
import pytest

from isp.cfa import Cfa
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.report.ratio_map import ratio_picture
from isp.report.residual import noise_left, residual

NOISE = NoiseModel((4e-3, 2e-3, 3e-3), (1e-5, 2e-5, 3e-5), NoiseOrigin.TAG)


def scene(height: int = 256, width: int = 320) -> np.ndarray:
    """A ramp from black to white, so that every brightness is there."""
    return np.tile(np.geomspace(2e-3, 0.9, width, dtype=np.float32), (height, 1))


def noisy(clean: np.ndarray, cfa: Cfa, factor: float = 1.0) -> np.ndarray:
    sigma = np.empty_like(clean)
    for position, channel in enumerate(cfa.channels):
        at = np.s_[position // 2 :: 2, position % 2 :: 2]
        sigma[at] = np.sqrt(NOISE.variance(clean[at], channel))
    noise = np.random.default_rng(3).normal(size=clean.shape)
    return (clean + factor * sigma * noise).astype(np.float32)


@pytest.mark.parametrize("cfa", list(Cfa))
def test_a_perfect_denoiser_takes_away_one_sigma_everywhere(cfa: Cfa) -> None:
    clean = scene()
    found = residual(noisy(clean, cfa), clean, cfa, NOISE)
    assert found.ratio.shape == (16, 20)
    assert found.median_ratio == pytest.approx(1, abs=0.01)
    assert abs(found.ratio - 1).max() < 0.25
    for item in found.by_level:
        expected = float(np.sqrt(NOISE.variance(np.asarray(item.level), item.channel)))
        assert item.sigma == pytest.approx(expected, rel=0.15)
    assert {item.channel for item in found.by_level} == {0, 1, 2}


def test_lost_detail_and_noise_that_stayed_show_in_their_blocks() -> None:
    clean = scene()
    dirty = noisy(clean, Cfa.GBRG)
    denoised = clean.copy()
    denoised[32:48, 64:80] = dirty[32:48, 64:80]
    denoised[96:112, 160:176] += 0.2
    ratio = residual(dirty, denoised, Cfa.GBRG, NOISE).ratio
    assert ratio[2, 4] == 0
    assert ratio[6, 10] > 3
    assert ratio[2, 5] == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize(("height", "width"), [(63, 47), (16, 16), (15, 200)])
def test_sizes_that_are_no_multiples_of_a_block(height: int, width: int) -> None:
    clean = scene(height, width)
    found = residual(noisy(clean, Cfa.RGGB), clean, Cfa.RGGB, NOISE)
    assert found.ratio.shape == (height // 16, width // 16)
    assert np.isfinite(found.median_ratio)


@pytest.mark.parametrize("strength", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("kept", [0.0, 0.2])
def test_noise_left_of_a_projection(strength: float, kept: float) -> None:
    """A denoiser that keeps a share of the noise's independent parts, blended with its input."""
    random = np.random.default_rng(5)
    clean = np.full((512, 512), 0.25, np.float32)
    sigma = np.float32(np.sqrt(2e-3 * 0.25 + 2e-5))
    model = NoiseModel.uniform(2e-3, 2e-5, NoiseOrigin.TAG)
    stays = random.normal(size=clean.shape).astype(np.float32) * sigma * np.sqrt(np.float32(kept))
    goes = random.normal(size=clean.shape).astype(np.float32) * sigma * np.sqrt(np.float32(1 - kept))
    dirty = clean + stays + goes
    result = dirty + np.float32(strength) * (clean + stays - dirty)
    left = noise_left(model, residual(dirty, result, Cfa.RGGB, model), strength)
    true_share = float(np.var(result - clean)) / float(sigma) ** 2
    assert left.shot[1] / model.shot[1] == pytest.approx(true_share, abs=0.05)
    assert left.read[2] / model.read[2] == pytest.approx(left.shot[1] / model.shot[1])
    assert left.origin is model.origin


def test_ratio_map_is_neutral_at_one_and_symmetric_in_stops() -> None:
    colours = ratio_picture(np.array([[1.0, 0.5, 2.0, 0.01, 50.0]], np.float32))[0]
    assert np.ptp(colours[0]) == 0
    assert colours[1, 2] > colours[1, 0], "less than the model says is blue"
    assert colours[2, 0] > colours[2, 2], "more is red"
    np.testing.assert_array_equal(colours[1], colours[3])
    np.testing.assert_array_equal(colours[2], colours[4])
