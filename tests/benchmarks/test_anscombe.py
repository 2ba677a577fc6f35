"""The generalised Anscombe transform against simulated noise."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.anscombe import LEAST, stabilised, unbiased_inverse
from denoiser.evaluation.scenes import SHOTS, read_variance

SAMPLES = 400_000
LEVELS = (0.0, 0.002, 0.01, 0.05, 0.3, 0.9)


def _noisy(x: float, shot: float, read: float) -> np.ndarray:
    rng = np.random.default_rng(7)
    return rng.poisson(x / shot, SAMPLES) * shot + rng.normal(0, read**0.5, SAMPLES)


@pytest.mark.parametrize("shot", SHOTS)
def test_noise_has_unit_sigma_and_the_inverse_no_bias(shot: float) -> None:
    read = read_variance(shot)
    for x in LEVELS:
        seen = stabilised(_noisy(x, shot, read), shot, read)
        assert seen.std() == pytest.approx(1, abs=0.11)
        if x >= 0.05:
            assert seen.std() == pytest.approx(1, abs=0.03)
        bias = unbiased_inverse(seen.mean(), shot, read) - x
        # SAMPLES leave an uncertainty of 0.0016 sigma.
        assert abs(bias) < 0.03 * np.sqrt(shot * x + read)


def test_the_algebraic_inverse_would_fail() -> None:
    shot, read = 1.3e-3, read_variance(1.3e-3)
    seen = stabilised(_noisy(0.002, shot, read), shot, read)
    algebraic = shot * (seen.mean() ** 2 / 4 - 3 / 8 - read / shot**2)
    assert algebraic - 0.002 < -0.08 * np.sqrt(shot * 0.002 + read)


@pytest.mark.parametrize("shot", SHOTS)
def test_the_inverse_is_monotone_and_finite_below_the_transform_of_black(shot: float) -> None:
    read = read_variance(shot)
    x = unbiased_inverse(np.linspace(-5, 2 / shot**0.5 + 10, 10_000), shot, read)
    assert (np.diff(x) >= 0).all()
    assert x.min() == pytest.approx(-read / shot)
    assert unbiased_inverse(np.array(LEAST), shot, 0.0) == pytest.approx(0, abs=1e-12)
