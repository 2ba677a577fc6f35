from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isp.cfa import Cfa
from isp.errors import InputError
from isp.raw_frame import Rect
from isp.sample.sensor import mosaic_of
from isp.shown_area import shown_area
from isp.stage import Domain
from isp.stages.demosaic import Demosaic
from tests.isp.stages.signals import signal_of


def run(signal, method):
    return Demosaic()(signal, Demosaic.Parameters(method=method))


@pytest.mark.parametrize("method", ["half", "bilinear", "malvar", "menon"])
@pytest.mark.parametrize("cfa", list(Cfa))
@pytest.mark.parametrize("shape", [(2, 2), (3, 2), (2, 7), (5, 5), (64, 31), (67, 130)])
def test_flat_colour_comes_back_to_the_border(method, cfa, shape):
    colour = np.float32([-0.25, 0.5, 1.5])
    mosaic = mosaic_of(np.broadcast_to(colour, (*shape, 3)), cfa)
    result = run(signal_of(mosaic, cfa, Domain.LINEAR_MOSAIC), method)
    expected = (shape[0] // 2, shape[1] // 2, 3) if method == "half" else (*shape, 3)
    assert result.data.shape == expected
    assert result.data.dtype == np.float32
    assert (result.domain, result.cfa) == (Domain.LINEAR_RGB, None)
    np.testing.assert_allclose(result.data, np.broadcast_to(colour, expected), atol=1e-6)


@pytest.mark.parametrize("method", ["bilinear", "malvar", "menon"])
@pytest.mark.parametrize("cfa", list(Cfa))
def test_measured_values_are_kept(method, cfa):
    mosaic = np.random.default_rng(1).random((40, 52)).astype(np.float32)
    rgb = run(signal_of(mosaic, cfa, Domain.LINEAR_MOSAIC), method).data
    if method == "menon":  # its refining step changes green where red and blue were measured, never those
        assert np.array_equal(mosaic_of(rgb, cfa), mosaic)
    np.testing.assert_array_equal(mosaic_of(rgb, cfa), mosaic)


@pytest.mark.parametrize("shape", [(50, 64), (51, 65)])
def test_half_halves_the_shading_gain_and_shows_the_crop(shape):
    signal = signal_of(np.ones(shape, np.float32), Cfa.GBRG, Domain.LINEAR_MOSAIC, default_crop=Rect(4, 6, 48, 62))
    gain = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    result = run(replace(signal, shading_gain=gain), "half")
    assert result.shading_gain.shape == result.data.shape[:2] == (25, 32)
    assert result.shading_gain[1, 1] == gain[2:4, 2:4].mean()
    assert shown_area(result.frame, *result.data.shape[:2]) == Rect(2, 3, 24, 31)


def test_a_single_row_is_an_input_error():
    with pytest.raises(InputError, match="at least 2 x 2"):
        run(signal_of(np.ones((1, 8), np.float32), Cfa.RGGB, Domain.LINEAR_MOSAIC), "malvar")
