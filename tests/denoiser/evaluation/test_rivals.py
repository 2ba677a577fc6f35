"""Stored scores are shown beside the photographs on which they were measured, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from denoiser.evaluation.rivals import NOISY_RAW_PSNR_DB, PHOTOGRAPHS, RIVALS, measured_on, why_left_out
from denoiser.evaluation.scenes import SHOTS, scenes
from denoiser.evaluation.scores import Score, by_level
from isp.psnr import psnr_db


def _noisy(values_db: tuple[float, ...]) -> dict[float, Score]:
    return {shot: Score(value, 0, 0, 0) for shot, value in zip(SHOTS, values_db, strict=True)}


def test_the_photographs_are_recognised_by_their_noise(shared: Path) -> None:
    """Two of the five levels, whose scores are independent of the others."""
    chosen = (SHOTS[0], SHOTS[-1])
    found = by_level(
        (scene.shot, Score(psnr_db(scene.noisy, scene.clean), 0, 0, 0))
        for scene in scenes(shared / "bench" / "kodak", chosen)
    )
    stored = dict(zip(SHOTS, NOISY_RAW_PSNR_DB, strict=True))
    assert measured_on({**_noisy(NOISY_RAW_PSNR_DB), **found})
    assert [found[shot].raw_psnr_db for shot in chosen] == pytest.approx([stored[shot] for shot in chosen], abs=0.01)


@pytest.mark.parametrize("level", range(len(SHOTS)))
def test_one_level_that_differs_is_another_set(level: int) -> None:
    near, far = list(NOISY_RAW_PSNR_DB), list(NOISY_RAW_PSNR_DB)
    near[level] += 0.019
    far[level] -= 0.021
    assert measured_on(_noisy(tuple(near)))
    assert not measured_on(_noisy(tuple(far)))


def test_missing_levels_are_another_set() -> None:
    noisy = _noisy(NOISY_RAW_PSNR_DB)
    assert not measured_on({shot: noisy[shot] for shot in SHOTS[:-1]})


def test_the_reason_names_both_sets() -> None:
    reason = why_left_out(_noisy((40.0, 39.0, 38.0, 37.0, 36.0)))
    assert "PMRID and BM3D + VST are left out" in reason
    assert PHOTOGRAPHS in reason
    assert "40.00" in reason
    assert "49.43" in reason


def test_stored_means_are_those_published_with_them() -> None:
    means = {rival.name: round(float(np.mean(rival.raw_psnr_db)), 2) for rival in RIVALS}
    assert means == {"PMRID": 39.59, "BM3D + VST": 41.62}
    assert all(len(rival.raw_psnr_db) == len(SHOTS) for rival in RIVALS)
