from __future__ import annotations

import numpy as np
import pytest

from isp.noise.quantisation import quantisation_step, unrounded
from tests.isp.noise.simulation import noisy, quantised, ramp_scene


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
@pytest.mark.parametrize("noise_dn", [0.3, 1, 10])
def test_step_of_integers_is_one_digital_number(bits, noise_dn):
    step = 1 / (2**bits * 15 / 16 - 1)
    capture = quantised(noisy(ramp_scene(240, 320, 0.01, 0.7), 0, (noise_dn * step) ** 2), step)
    assert quantisation_step(capture) == pytest.approx(step, rel=2e-3)


def test_step_is_that_of_the_values_not_of_their_file():
    """Ten bits that were stored in twelve."""
    capture = quantised(noisy(ramp_scene(240, 320, 0.01, 0.7), 1e-4, 1e-6), 4 / 4095)
    assert quantisation_step(capture) == pytest.approx(4 / 4095, rel=1e-3)


def test_a_black_level_of_each_row_does_not_hide_the_step():
    capture = quantised(noisy(ramp_scene(240, 320, 0.01, 0.7), 1e-4, 1e-6), 1 / 239)
    capture += np.random.default_rng(0).uniform(-0.01, 0.01, (240, 1)).astype(np.float32)
    assert quantisation_step(capture) == pytest.approx(1 / 239, rel=1e-3)


def test_a_few_corrected_pixels_do_not_hide_the_step():
    capture = quantised(noisy(ramp_scene(240, 320, 0.01, 0.7), 1e-4, 1e-6), 1 / 239)
    defects = np.random.default_rng(0).integers(0, [[240], [320]], (2, 200))
    capture[tuple(defects)] += 0.4 / 239
    assert quantisation_step(capture) == pytest.approx(1 / 239, rel=1e-3)


def test_noise_much_wider_than_the_step_gives_no_wrong_step():
    step = 1 / 16383
    capture = quantised(noisy(ramp_scene(240, 320, 0.1, 0.7), 0, (400 * step) ** 2), step)
    assert quantisation_step(capture) in (0, pytest.approx(step, rel=2e-3))


@pytest.mark.parametrize(
    "mosaic",
    [
        noisy(ramp_scene(64, 64, 0.1, 0.9), 1e-3, 1e-5),
        np.full((64, 64), 0.3, np.float32),
        np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((8, 8))).astype(np.float32),
    ],
    ids=["continuous", "constant", "black and white drawing"],
)
def test_what_is_not_quantised_has_no_step(mosaic):
    assert quantisation_step(mosaic) == 0


@pytest.mark.parametrize("sigma", [0.1, 0.2, 0.3, 0.5, 0.9, 3])
def test_noise_is_recovered_from_what_rounding_leaves(sigma):
    rng = np.random.default_rng(2)
    clean = rng.uniform(20, 30, (4000, 1))
    visible = np.rint(clean + sigma * rng.normal(size=(4000, 300))).var(1, ddof=1).mean()
    variance, leverage, unsure = unrounded(visible / 64**2, 1 / 64)
    assert variance * 64**2 == pytest.approx(sigma**2 + 1 / 12, rel=0.01)
    assert leverage == pytest.approx(1, abs=0.1) if sigma > 0.4 else leverage < 1
    assert unsure < 0.05 if sigma >= 0.5 else unsure > 0.2


def test_without_quantisation_nothing_is_changed():
    assert unrounded(1e-5, 0.0) == (1e-5, 1, 0)
