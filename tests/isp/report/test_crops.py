from __future__ import annotations

import itertools

import numpy as np
import pytest

from isp.report.crops import choose_crops


def picture(height: int = 600, width: int = 900) -> tuple[np.ndarray, np.ndarray]:
    """Without and with denoising: a stripe pattern top left, a noisy patch bottom right,
    deep shadow bottom left, green top right."""
    random = np.random.default_rng(2)
    after = np.full((height, width, 3), 120, np.uint8)
    after[: height // 3, : width // 3] = np.where(np.arange(width // 3) % 4 < 2, 40, 220)[None, :, None]
    after[: height // 3, -width // 3 :] = (30, 160, 60)
    after[-height // 3 :, : width // 3] = random.integers(3, 12, (height // 3, width // 3, 3))
    noise = random.normal(0, 4, after.shape)
    noise[-height // 3 :, -width // 3 :] *= 6
    before = np.clip(after + noise, 0, 255).astype(np.uint8)
    return before, after


def test_noise_detail_and_darkness_are_found() -> None:
    crops = {crop.title: crop.square for crop in choose_crops(*picture())}
    assert crops["Most noise"].top >= 300
    assert crops["Most noise"].left >= 480
    assert crops["Finest detail"].bottom <= 300
    assert crops["Finest detail"].right <= 400
    assert crops["Dark area"].top >= 340
    assert crops["Dark area"].right <= 400
    assert crops["Strong colour"].bottom <= 300
    assert crops["Strong colour"].left >= 500


@pytest.mark.parametrize("size", [(600, 900), (2400, 300), (70, 64), (64, 64), (40, 55), (2, 2)])
def test_crops_lie_within_the_picture_and_apart(size: tuple[int, int]) -> None:
    height, width = size
    random = np.random.default_rng(0)
    before = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    after = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    crops = choose_crops(before, after)
    assert 1 <= len(crops) <= 6
    for crop in crops:
        for area in (crop.square, crop.surroundings):
            assert 0 <= area.top < area.bottom <= height
            assert 0 <= area.left < area.right <= width
            assert area.height == area.width
        inner, outer = crop.square, crop.surroundings
        assert outer.top <= inner.top
        assert outer.left <= inner.left
        assert inner.bottom <= outer.bottom
        assert inner.right <= outer.right
    for one, other in itertools.combinations((crop.square for crop in crops), 2):
        distance = max(abs(one.top - other.top), abs(one.left - other.left))
        assert distance >= 0.6 * one.width
