"""The evaluation protocol against known answers and against the referee."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from denoiser.__main__ import main
from denoiser.evaluation.scenes import SHOTS, add_noise, read_variance, scenes
from denoiser.evaluation.scores import evaluate, score, ssim
from isp.errors import InputError
from isp.psnr import psnr_db


def _blurred(mosaic: np.ndarray, *_: object) -> np.ndarray:
    return cv2.blur(mosaic, (3, 3))


def test_agrees_with_the_referee(shared: Path, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("rawbench", shared / "bench" / "rawbench.py")
    referee = importlib.util.module_from_spec(spec)
    sys.modules["rawbench"] = referee
    spec.loader.exec_module(referee)
    for path in sorted((shared / "bench" / "kodak").glob("*.png"))[:2]:
        shutil.copy(path, tmp_path / path.name)
    expected = referee.evaluate(_blurred, tmp_path)
    scores = evaluate(_blurred, scenes(tmp_path))
    for level, (shot, ours) in zip(list(expected)[:-1], scores.items(), strict=True):
        assert referee.LEVELS[level] == shot
        theirs = expected[level]
        assert ours.raw_psnr_db == pytest.approx(theirs["raw_psnr"], abs=0.01)
        assert ours.rendered_psnr_db == pytest.approx(theirs["srgb_psnr"], abs=0.01)
        assert ours.ssim == pytest.approx(theirs["ssim"], abs=2e-4)
        assert ours.dark_bias == pytest.approx(theirs["dark_bias"], rel=2e-3)


def test_noise_has_the_stated_variance() -> None:
    clean = np.full((400, 400), 0.3, np.float32)
    for shot in SHOTS:
        read = read_variance(shot)
        noisy = add_noise(clean, shot, read, np.random.default_rng(0))
        assert noisy.var() == pytest.approx(0.3 * shot + read, rel=0.03)


def test_scores_of_known_errors(tmp_path: Path) -> None:
    photograph = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), cv2.GaussianBlur(photograph, (9, 9), 3))
    (scene,) = islice(scenes(tmp_path), 1)
    assert score(scene.clean, scene).ssim == pytest.approx(1)
    lifted = score(scene.clean + 1e-3, scene)
    assert lifted.raw_psnr_db == pytest.approx(60, abs=0.1)
    assert psnr_db(np.zeros(4), np.full(4, -5.0)) == 200  # both clipped to 0
    assert ssim(np.zeros((32, 32, 3), np.float32), np.ones((32, 32, 3), np.float32)) < 0.01
    dark = type(scene)(**{**vars(scene), "clean": np.full_like(scene.clean, 0.01)})
    assert score(dark.clean + 3e-4, dark).dark_bias == pytest.approx(3, abs=0.01)


def test_a_folder_without_photographs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(InputError, match="no photograph"):
        list(scenes(tmp_path))


def test_a_photograph_cut_short_is_refused(tmp_path: Path) -> None:
    whole = cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes()
    (tmp_path / "cut.png").write_bytes(whole[:40])
    with pytest.raises(InputError, match=r"cut\.png: not a readable photograph"):
        list(scenes(tmp_path))


def test_other_files_keep_their_place_in_the_order(tmp_path: Path) -> None:
    """As the referee counts, so that every photograph keeps its phase and its noise."""
    (tmp_path / "a.txt").write_text("no picture")
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((64, 64, 3), np.uint8))
    (scene,) = scenes(tmp_path, SHOTS[:1])
    assert (scene.name, scene.cfa) == ("b", "BGGR")


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_folder_that_is_not_there_is_named(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--photographs", "no/such/folder"])
    assert stopped.value.code == 2
    assert "no/such/folder: no such folder" in capsys.readouterr().err
