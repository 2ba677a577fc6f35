from __future__ import annotations

import numpy as np
import pytest

from isp.stage import Domain
from isp.stages.sharpen import Sharpen
from tests.isp.colour.captures import a_signal


def an_edge(dtype):
    rgb = np.full((32, 32, 3), 60, dtype)
    rgb[:, 16:] = 180
    return rgb


@pytest.mark.parametrize("domain", [Domain.SCENE_RGB, Domain.DISPLAY_RGB])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_edges_get_steeper_and_nothing_else_changes(domain, dtype):
    signal = a_signal(an_edge(dtype), domain)
    signal = type(signal)(an_edge(dtype), domain, signal.frame, None, colour_space="srgb")
    found = Sharpen()(signal, Sharpen.Parameters(threshold_sigma=0.0))
    assert (found.domain, found.colour_space, found.data.dtype) == (domain, "srgb", dtype)
    assert found.data[16, 15, 0] < 55
    assert found.data[16, 16, 0] > 185
    np.testing.assert_allclose(found.data[:, :10], 60)


def test_amount_0_changes_nothing():
    signal = a_signal(np.random.default_rng(8).random((40, 40, 3)), Domain.SCENE_RGB)
    before = signal.data.copy()
    found = Sharpen()(signal, Sharpen.Parameters(amount=0.0))
    np.testing.assert_allclose(found.data, before, atol=1e-7)
