"""What real files do to the shipped universal network, on crops of the sample chart and of photographs.

A residue is the RMS difference that a disturbance makes to the denoised mosaic, in standard deviations of the noise.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from benchmarks.robustness import (
    PATTERNS,
    after_defect_correction,
    clipped_at_black,
    dark_bias_sigmas,
    in_8_bits,
    psnr_when_told,
    residue,
    with_read_noise_alone,
)
from denoiser import Denoiser
from denoiser.evaluation.scenes import SHOTS, Camera, Scene, add_noise, read_variance, unprocess
from isp.cfa import Cfa
from isp.psnr import psnr_db
from isp.sample.maker import CFA, clean_mosaic
from isp.sample.sensor import mosaic_of

DENOISER = Denoiser("universal")
NO_CAMERA = Camera(np.ones(3), np.eye(3))
HELD_OUT = ("cc0_elementary_099_suluh_kalba.jpg", "cc0_gb82_sumac-lossless.jpg", "cc0_buddiesofb_009_colorful_wall.jpg")
"""Photographs of the training folder that are held out of training."""
CROP_PX = 192
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _exposed(clean: np.ndarray, cfa: Cfa, shot: float, read: float | None = None) -> Scene:
    read = read_variance(shot) if read is None else read
    rng = np.random.default_rng(round(1e6 * shot))
    return Scene("", cfa, shot, read, clean, add_noise(clean, shot, read, rng), NO_CAMERA)


def _denoised(scene: Scene, strength: float = 1.0) -> np.ndarray:
    return DENOISER.denoise(scene.noisy, scene.cfa, scene.shot, scene.read, strength=strength)


@pytest.fixture(scope="module")
def chart() -> np.ndarray:
    """Grass and stone of the sample scene: clean mosaic [192, 192] of phase `CFA`."""
    return np.clip(clean_mosaic()[400 : 400 + CROP_PX, 580 : 580 + CROP_PX], 0, 1)


@pytest.fixture(scope="module")
def dark_chart() -> np.ndarray:
    """The sample scene's dark corner, likewise."""
    return np.clip(clean_mosaic()[420 : 420 + CROP_PX, 920 : 920 + CROP_PX], 0, 1)


@pytest.fixture(scope="module")
def photographs(shared: Path) -> list[np.ndarray]:
    """Clean RGGB mosaics [192, 192] of photographs that no weights were trained on."""
    crops = []
    for index, name in enumerate(HELD_OUT):
        assert hashlib.sha256(name.encode()).digest()[0] % 16 == 0
        photograph = cv2.imread(str(shared / "data" / "photos_train" / name), cv2.IMREAD_COLOR)
        crop = np.ascontiguousarray(photograph[240 : 240 + CROP_PX, 240 : 240 + CROP_PX, ::-1])
        crops.append(mosaic_of(unprocess(crop, np.random.default_rng(index))[0], Cfa.RGGB))
    return crops


@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize("shot", SHOTS)
def test_a_noise_profile_wrong_by_two_costs_little(photographs: list[np.ndarray], shot: float, factor: float) -> None:
    scenes = [_exposed(clean, Cfa.RGGB, shot) for clean in photographs]
    right, wrong = (
        np.mean([psnr_when_told(DENOISER.denoise, scene, told) for scene in scenes]) for told in (1.0, factor)
    )
    assert right - wrong <= 0.25


@pytest.mark.parametrize(("shot", "read"), [(9.4e-5, 2.7e-7), *((s, read_variance(s)) for s in (1.3e-3, 1.2e-2))])
@pytest.mark.parametrize(("pattern", "most"), [("row noise", 0.05), ("fixed pattern", 0.1), ("hot pixels", 1.0)])
def test_no_visible_residue_of_sensor_patterns(
    dark_chart: np.ndarray, pattern: str, most: float, shot: float, read: float
) -> None:
    scene = _exposed(dark_chart, CFA, shot, read)
    pipeline = after_defect_correction(DENOISER.denoise) if pattern == "hot pixels" else DENOISER.denoise
    found = residue(pipeline, scene, PATTERNS[pattern](scene, np.random.default_rng(3)))
    assert found.after <= most


def test_noise_of_its_own_for_each_colour(chart: np.ndarray) -> None:
    shot, read = np.array([2.6e-3, 1.3e-3, 2e-3]), np.full(3, read_variance(1.3e-3))
    noisy = np.empty_like(chart)
    for position, colour in enumerate(CFA.channels):
        at = np.s_[position // 2 :: 2, position % 2 :: 2]
        noisy[at] = add_noise(chart[at], shot[colour], read[colour], np.random.default_rng(position))
    told = psnr_db(DENOISER.denoise(noisy, CFA, tuple(shot), tuple(read)), chart)
    pooled = psnr_db(DENOISER.denoise(noisy, CFA, shot[1], read[1]), chart)
    assert told > psnr_db(noisy, chart) + 1
    assert told > pooled


def _maze(flat: np.ndarray, cfa: Cfa) -> np.ndarray:
    """Difference of the greens of each 2x2 block."""
    gr, gb = (flat[row::2, column::2] for row, column in (cfa.position("Gr"), cfa.position("Gb")))
    return gr - gb


@pytest.mark.parametrize("shot", [1e-4, 1.3e-3, 1.2e-2])
@pytest.mark.parametrize("gain", [1.0, 1.01])
def test_greens_that_differ_leave_no_maze(shot: float, gain: float) -> None:
    clean = np.full((CROP_PX, CROP_PX), 0.25, np.float32)
    row, column = Cfa.GBRG.position("Gr")
    clean[row::2, column::2] *= gain
    scene = _exposed(clean, Cfa.GBRG, shot)
    sigma = float(np.sqrt(0.25 * shot + scene.read))
    maze = _maze(_denoised(scene), Cfa.GBRG)
    # A real difference may stay, evenly; none is made, and none comes and goes over the picture.
    assert -0.05 * sigma <= maze.mean() <= _maze(clean, Cfa.GBRG).mean() + 0.05 * sigma
    assert maze.std() <= 0.25 * sigma


@pytest.mark.parametrize("shot", SHOTS)
def test_a_file_clipped_at_black(dark_chart: np.ndarray, shot: float) -> None:
    scene = _exposed(dark_chart, CFA, shot)
    clipped = clipped_at_black(scene)
    output = _denoised(clipped)
    assert psnr_db(output, scene.clean) > psnr_db(clipped.noisy, scene.clean)
    # What clipping adds to the mean is in the file; denoising adds no more than without it.
    own = dark_bias_sigmas(_denoised(scene), scene)
    assert dark_bias_sigmas(output, scene) <= dark_bias_sigmas(clipped.noisy, scene) + max(own, 0) + 0.05


@pytest.mark.parametrize("shot", SHOTS)
def test_an_8_bit_source_is_improved(chart: np.ndarray, shot: float) -> None:
    scene = in_8_bits(_exposed(chart, CFA, shot))
    assert psnr_db(_denoised(scene), scene.clean) > psnr_db(scene.noisy, scene.clean) + 0.5


@pytest.mark.parametrize("shot", [4e-4, 4e-3])
def test_strength_leaves_ever_less_noise(shot: float) -> None:
    scene = _exposed(np.full((CROP_PX, CROP_PX), 0.2, np.float32), Cfa.BGGR, shot)
    left = [float((_denoised(scene, s) - scene.clean).std()) for s in STRENGTHS]
    assert (np.diff(left) < 0).all(), left


@pytest.mark.parametrize("shot", [4e-4, 4e-3])
def test_strength_removes_ever_more_detail(chart: np.ndarray, shot: float) -> None:
    scene = Scene("", CFA, shot, read_variance(shot), chart, chart, NO_CAMERA)
    lost = [float((_denoised(scene, s) - chart).std()) for s in STRENGTHS]
    assert lost[0] == 0
    assert (np.diff(lost) > 0).all(), lost


@pytest.mark.parametrize("value", [-1e4, -1.0, 0.0, 1.0, 1e4])
@pytest.mark.parametrize(("shot", "read"), [(0.0, 1e-12), (1e-12, 0.0), (1e-4, 0.0), (2e-2, 1e-2), (1.0, 1.0)])
def test_extreme_input_gives_finite_output(value: float, shot: float, read: float) -> None:
    mosaic = np.full((64, 64), 0.5, np.float32)
    mosaic[20:30, 33] = value
    for strength in (0.5, 1.5):
        assert np.isfinite(DENOISER.denoise(mosaic, "RGGB", shot, read, strength=strength)).all()


@pytest.mark.parametrize(
    ("read", "least_gain_db"), [(1e-8, -0.02), (1e-7, -0.02), (1e-6, 0.0), (1e-5, 0.3), (1e-4, 1.5), (1e-3, 3.0)]
)
def test_read_noise_alone(chart: np.ndarray, read: float, least_gain_db: float) -> None:
    scene = with_read_noise_alone(Scene("", CFA, 0.0, read, chart, chart, NO_CAMERA), read, np.random.default_rng(5))
    assert psnr_db(_denoised(scene), chart) >= psnr_db(scene.noisy, chart) + least_gain_db
