"""What the network is told of a mosaic and its noise, and what becomes of its answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from denoiser.normalisation import (
    DEEPEST_SIGMAS,
    RESIDUAL_SIGMAS,
    SHOT_FLOOR,
    STABILISED_SCALE,
    apply_residual,
    network_input,
)

WIDEST_SIGMAS = 2 / SHOT_FLOOR**0.5
"""From black to white in the cleanest mosaic that the network is told of."""


def _per_plane(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).expand(4).reshape(1, 4, 1, 1)


def _ramp() -> Tensor:
    return torch.linspace(-0.1, 1.2, 4 * 16 * 16).reshape(1, 4, 16, 16)


@pytest.mark.parametrize("read", [0.0, 1e-8, 1e-3])
@pytest.mark.parametrize("shot", [SHOT_FLOOR, 5e-5, 1.3e-3, 2e-2])
def test_is_the_generalised_anscombe_transform_from_the_floor_on(shot: float, read: float) -> None:
    planes = _ramp()
    told = network_input(planes, _per_plane(shot), _per_plane(read))
    x = planes.numpy().astype(np.float64)
    zero = np.sqrt(0.375 * shot**2 + read)
    expected = (2 / shot) * (np.sqrt(shot * x.clip(0) + zero**2) - zero) + (x.clip(max=0) / zero).clip(-DEEPEST_SIGMAS)
    np.testing.assert_allclose(told[:, :4].numpy() * STABILISED_SCALE, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(told[:, 4].numpy(), 0.5 * np.log10(shot) + 1.5, rtol=1e-5)
    added = apply_residual(planes, torch.ones_like(planes), _per_plane(shot), _per_plane(read)) - planes
    known = x >= -DEEPEST_SIGMAS * zero
    expected = known * RESIDUAL_SIGMAS * np.sqrt(shot * x.clip(0) + read)
    np.testing.assert_allclose(added.numpy(), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("read", [1e-5, 1e-4, 1e-3])
def test_read_noise_alone_is_told_as_it_is(read: float) -> None:
    noise = torch.randn(1, 4, 128, 128, generator=torch.Generator().manual_seed(0)) * read**0.5
    told = network_input(0.5 + noise, _per_plane(0.0), _per_plane(read))[:, :4] * STABILISED_SCALE
    assert float(told.std()) == pytest.approx(1, abs=0.02)


@settings(max_examples=200, deadline=None)
@given(st.floats(0, 2e-2), st.floats(0, 1e-2))
def test_never_wider_than_the_cleanest_mosaic_of_training(shot: float, read: float) -> None:
    told = network_input(torch.ones(1, 4, 2, 2), _per_plane(shot), _per_plane(read))
    assert torch.isfinite(told).all()
    assert float(told[:, :4].max()) * STABILISED_SCALE <= 1.001 * WIDEST_SIGMAS
    assert float(told[:, 4].min()) >= 0.5 * np.log10(SHOT_FLOOR) + 1.499


@pytest.mark.parametrize(("shot", "read"), [(SHOT_FLOOR, 1e-9), (SHOT_FLOOR, 1e-4), (1e-9, SHOT_FLOOR / 4)])
def test_no_step_at_the_floor(shot: float, read: float) -> None:
    planes = _ramp()
    above, below = (
        (
            network_input(planes, _per_plane(shot * f), _per_plane(read * f)),
            apply_residual(planes, torch.ones_like(planes), _per_plane(shot * f), _per_plane(read * f)),
        )
        for f in (1.001, 0.999)
    )
    for a, b in zip(above, below, strict=True):
        torch.testing.assert_close(a, b, rtol=5e-3, atol=5e-4)


def test_the_answer_fades_with_the_noise_below_the_floor() -> None:
    planes, residual = _ramp(), torch.ones(1, 4, 16, 16)
    for shot, read in ((1.0, 0.0), (0.0, 1.0), (0.5, 0.1)):
        in_sigmas = []
        for scale in (1e-6, 1e-7, 1e-8):
            a, b = _per_plane(shot * scale), _per_plane(read * scale)
            sigma = torch.sqrt(a * planes.clamp(min=0) + b)
            change = apply_residual(planes.double(), residual.double(), a.double(), b.double()) - planes
            in_sigmas.append(float((change / sigma)[planes > 0.5].mean()))
        assert in_sigmas[0] < RESIDUAL_SIGMAS
        np.testing.assert_allclose(np.array(in_sigmas[1:]) / in_sigmas[:-1], 10**-0.5, rtol=1e-3)


def test_a_colour_without_noise_stays_as_it_is() -> None:
    planes = _ramp()
    shot, read = _per_plane(0.0, 4e-3, 4e-3, 4e-3), _per_plane(0.0, 1e-4, 1e-4, 1e-4)
    told = network_input(planes, shot, read)
    assert torch.isfinite(told).all()
    assert torch.equal(apply_residual(planes, told[:, :4], shot, read)[:, 0], planes[:, 0])
