from __future__ import annotations

import numpy as np
import pytest

from isp.noise.flat_bins import FlatBins
from isp.noise.lower_envelope import fit_lower_envelope


def test_bins_above_the_line_are_ignored():
    mean = np.linspace(0.02, 0.8, 30)
    variance = 1e-3 * mean + 1e-5
    variance[::2] *= np.linspace(1.5, 4, 15)
    shot, read = fit_lower_envelope(FlatBins(mean, variance, np.full(30, 0.06)), 0)
    assert shot == pytest.approx(1e-3, rel=0.08)
    assert read == pytest.approx(1e-5, rel=0.5)


def test_quantisation_is_part_of_read():
    mean, step = np.linspace(0.02, 0.8, 30), 1 / 239
    variance = 1e-4 * mean + 1e-7 + step**2 / 12
    shot, read = fit_lower_envelope(FlatBins(mean, variance, np.full(30, 0.06)), step)
    assert shot == pytest.approx(1e-4, rel=0.05)
    assert read == pytest.approx(1e-7 + step**2 / 12, rel=0.15)


def test_read_is_never_below_quantisation():
    mean, step = np.linspace(0.02, 0.8, 30), 1 / 239
    shot, read = fit_lower_envelope(FlatBins(mean, np.full(30, 1e-7), np.full(30, 0.5)), step)
    assert read >= step**2 / 12
    assert shot * 0.8 < step**2 / 12
