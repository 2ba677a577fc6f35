from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denoiser.evaluation.scenes import scenes
from isp.errors import InputError
from isp.noise.estimate import estimate_noise
from isp.noise.model import NoiseOrigin
from tests.isp.noise.simulation import noisy, quantised, ramp_scene


def sigma_error(found, shot: float, read: float, at: tuple[float, ...]) -> float:
    x = np.array(at)
    return float(np.abs(np.sqrt((found.shot[1] * x + found.read[1]) / (shot * x + read)) - 1).max())


@pytest.mark.parametrize(("shot", "read"), [(1e-4, 1e-7), (1e-3, 1e-5), (1e-2, 5e-4), (2e-4, 1e-4)])
def test_known_noise_is_found_beside_texture(shot, read):
    scene = ramp_scene(480, 640, 0.01, 0.7)
    found = estimate_noise(noisy(scene, shot, read))
    assert sigma_error(found, shot, read, (0.02, 0.1, 0.3, 0.6)) < 0.12
    assert found.shot[1] == pytest.approx(shot, rel=0.25)
    assert found.origin is NoiseOrigin.ESTIMATE
    assert found.shot[0] == found.shot[1] == found.shot[2]


def test_texture_everywhere_does_not_pass_for_noise():
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:400, :600]
    leaves = 0.2 + 0.1 * np.sin(0.9 * x + 0.3 * y) * np.sin(0.05 * x) + 0.05 * np.sin(1.3 * y) * np.sin(0.03 * y)
    found = estimate_noise(noisy(leaves.astype(np.float32), 1e-3, 1e-5))
    plain = np.var(leaves + rng.normal(size=leaves.shape) * 0.014)
    assert plain > 10 * (1e-3 * 0.2)  # what a variance without selection would say
    assert sigma_error(found, 1e-3, 1e-5, (0.15, 0.25)) < 0.25


@settings(max_examples=15, deadline=None)
@given(st.integers(32, 90), st.integers(32, 90), st.floats(-4.5, -2))
def test_any_size_gives_a_usable_model(height, width, log_shot):
    shot = 10**log_shot
    found = estimate_noise(noisy(np.full((height, width), 0.3, np.float32), shot, shot / 50))
    assert sigma_error(found, shot, shot / 50, (0.3,)) < 0.35


@pytest.mark.parametrize(("level", "edge"), [(0.75, 1.0), (0.05, 0.0)])
def test_noise_clipped_at_an_end_of_the_range_is_not_underrated(level, edge):
    scene = ramp_scene(480, 640, max(0.0, level - 0.25), level + 0.25)
    mosaic = noisy(scene, 1e-2, 5e-4).clip(0, 1)
    found = estimate_noise(mosaic)
    assert sigma_error(found, 1e-2, 5e-4, (level, abs(edge - 0.2))) < 0.15


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("noise_dn", [0.3, 0.5, 1.0])
def test_noise_finer_than_the_rounding_step_is_not_underrated(bits, noise_dn):
    """The flattest blocks of coarse data are those that rounding made nearly constant."""
    step = 1 / (2**bits * 15 / 16 - 1)
    shot, read = (noise_dn * step) ** 2 / 0.3, (0.1 * step) ** 2
    found = estimate_noise(quantised(noisy(ramp_scene(720, 960, 0.01, 0.7), shot, read), step))
    assert sigma_error(found, shot, read + step**2 / 12, (0.02, 0.1, 0.3, 0.6)) < 0.12
    assert found.read[1] >= step**2 / 12


def test_quantisation_without_visible_noise_counts_as_noise():
    y, x = np.mgrid[:400, :600]
    clean = (0.1 + 0.5 * x / 600 + 0.2 * y / 400).astype(np.float32)
    found = estimate_noise(quantised(clean, 1 / 239))
    assert sigma_error(found, 0, 1 / 239**2 / 12, (0.1, 0.8)) < 0.3


@pytest.mark.parametrize("offset", [0.0, 0.3, 0.5])
def test_a_coarse_dark_frame_is_not_taken_for_clipped(offset):
    """Nearly all pixels of half a digital number of noise lie on two or three levels."""
    step, read = 1 / 239, (0.5 / 239) ** 2
    found = estimate_noise(quantised(noisy(np.full((480, 640), offset * step), 0, read), step))
    assert sigma_error(found, 0, read + step**2 / 12, (offset * step,)) < 0.05


def test_saturated_areas_do_not_count_as_noiseless():
    scene = ramp_scene(480, 640, 0.05, 0.6)
    scene[:, 200:] = 1.2
    found = estimate_noise(np.minimum(noisy(scene, 1e-3, 1e-5), 1))
    assert sigma_error(found, 1e-3, 1e-5, (0.1, 0.4)) < 0.15


def test_scale_follows_the_noise():
    scene = ramp_scene(320, 320, 0.05, 0.8)
    low, high = (estimate_noise(noisy(scene, s, s / 100, seed=9)) for s in (1e-3, 4e-3))
    assert high.shot[0] / low.shot[0] == pytest.approx(4, rel=0.25)


def test_one_intensity_gives_its_variance_and_a_plausible_division():
    found = estimate_noise(noisy(np.full((480, 640), 0.5, np.float32), 2e-4, 1e-7))
    assert sigma_error(found, 2e-4, 1e-7, (0.5,)) < 0.06
    assert found.shot[0] == pytest.approx(2e-4, rel=0.15)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_constant_mosaic_has_no_noise(value):
    found = estimate_noise(np.full((64, 64), value, np.float32))
    assert found.shot == found.read == (0, 0, 0)


def test_pixels_that_are_not_numbers_are_left_out():
    mosaic = noisy(ramp_scene(320, 320, 0.05, 0.8), 1e-3, 1e-5)
    mosaic[100:110, 50:60] = np.nan
    assert sigma_error(estimate_noise(mosaic), 1e-3, 1e-5, (0.1, 0.5)) < 0.2


@pytest.mark.parametrize("shape", [(31, 64), (64, 31), (2, 2), (0, 0)])
def test_too_small_a_mosaic_is_refused(shape):
    with pytest.raises(InputError, match="at least 32x32"):
        estimate_noise(np.zeros(shape, np.float32))


def test_photographs_with_noise_of_known_level(shared):
    """Median over the photographs, as the benchmark reports it at every level."""
    errors: dict[float, list[float]] = {}
    for scene in scenes(shared / "bench/kodak", (4e-4, 4e-3)):
        found = estimate_noise(scene.noisy)
        errors.setdefault(scene.shot, []).append(found.shot[1] / scene.shot - 1)
    assert {shot for shot, e in errors.items() if abs(np.median(e)) > 0.3} == set()


def test_imx296_scene_agrees_with_its_temporal_noise(shared):
    with np.load(shared / "data/noise/imx296/sceneF_n10_1456x1088_bggr10.npz") as burst:
        frame = burst["median"].astype(np.float32) + burst["delta"][3]
    found = estimate_noise((frame - 60) / 963)
    assert found.shot[1] == pytest.approx(9.4e-5, rel=0.3)
    assert sigma_error(found, 9.4e-5, 2.7e-7, (0.001, 0.006, 0.015)) < 0.2


def test_imx296_dark_frame_agrees_with_its_temporal_noise(shared):
    """Half a digital number of noise."""
    with np.load(shared / "data/noise/imx296/dark_n4_1456x1088_bggr10.npz") as burst:
        frame = burst["median"].astype(np.float32) + burst["delta"][1]
    found = estimate_noise((frame - 60) / 963)
    assert sigma_error(found, 9.4e-5, 2.7e-7, (0.0, 0.001)) < 0.3


@pytest.mark.parametrize("exposure", ["0x0fff", "0x1fff", "0x2fff"])
def test_mt9m001_agrees_with_the_difference_of_its_exposures(shared, exposure):
    """Eight bits, a third to two thirds of a digital number of noise."""
    (path,) = (shared / "data/noise/mt9m001").glob(f"*{exposure}.raw")
    found = estimate_noise(np.fromfile(path, np.uint8).reshape(1024, 1280).astype(np.float32) / 255)
    assert sigma_error(found, 2.3e-5, 1.8e-6, (6 / 255, 17 / 255, 29 / 255, 43 / 255)) < 0.25
