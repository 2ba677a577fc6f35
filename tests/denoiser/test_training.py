"""Training: statistics of what it draws, and runs that survive being stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from denoiser.network import Architecture
from denoiser.training import checkpoint, photographs
from denoiser.training.loss import denoising_loss
from denoiser.training.noise_synthesis import NoisyBatch, corrupt, draw_levels
from denoiser.training.recipe import Recipe
from denoiser.training.trainer import schedule, train
from denoiser.training.unprocess import pack_rggb, unprocess
from isp.errors import ConfigError, InputError

SMALL = replace(Recipe(), architecture=Architecture((8, 8), (1, 1), (1,)), steps=12, batch=2, patch_px=32)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for index in range(3):
        coarse = rng.integers(0, 255, (12, 14, 3), np.uint8)
        cv2.imwrite(str(folder / f"{index}.png"), cv2.resize(coarse, (700, 600), interpolation=cv2.INTER_CUBIC))
    return folder


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    saved = checkpoint.load(folder, SMALL.as_dict())
    assert saved is not None
    return saved.network | {f"average.{k}": v for k, v in saved.average.items()}


def test_a_stopped_run_goes_on_as_if_it_had_not_been(pictures: Path, tmp_path: Path) -> None:
    device = torch.device("cpu")
    straight = train(SMALL, pictures, tmp_path / "straight", device, name="x")
    assert straight.finished
    paused = train(SMALL, pictures, tmp_path / "parts", device, name="x", stop_after_s=0)
    assert paused.step == 1
    resumed = train(SMALL, pictures, tmp_path / "parts", device, name="x")
    assert resumed.finished
    a, b = _weights(tmp_path / "straight"), _weights(tmp_path / "parts")
    for key in a:
        assert torch.equal(a[key], b[key]), key


def test_a_terminated_process_keeps_its_steps(pictures: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "denoiser",
        "train",
        "--photographs",
        str(pictures),
        "--run",
        str(tmp_path / "run"),
    ]
    command += ["--batch", "1", "--patch", "32", "--steps", "100000", "--threads", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, env=environment, text=True) as process:
        assert process.stderr is not None
        assert any("training from step 0" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output.startswith("paused")
    recipe = replace(Recipe(), batch=1, patch_px=32, steps=100_000)
    saved = checkpoint.load(tmp_path / "run", recipe.as_dict())
    assert saved is not None
    assert saved.step == int(output.split("step ")[1].split()[0]) > 0
    assert not list((tmp_path / "run").glob("*.tmp"))


def test_a_run_with_another_recipe_is_refused(pictures: Path, tmp_path: Path) -> None:
    train(SMALL, pictures, tmp_path, torch.device("cpu"), name="x", stop_after_s=0)
    with pytest.raises(ConfigError, match="batch"):
        train(replace(SMALL, batch=3), pictures, tmp_path, torch.device("cpu"), name="x")


def test_a_broken_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / checkpoint.FILE_NAME).write_bytes(b"garbage")
    with pytest.raises(InputError, match="checkpoint"):
        checkpoint.load(tmp_path, SMALL.as_dict())


def test_a_folder_without_photographs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="0 photographs"):
        photographs.load(tmp_path, 32)


def test_crops_are_windows_of_the_pictures_in_every_orientation(tmp_path: Path) -> None:
    size = 24  # of which the smaller copies are too small, so that the pictures alone are drawn from
    rows, columns = np.mgrid[:31, :40].astype(np.uint8)
    pictures = [np.dstack([columns, rows, np.full_like(rows, index)]) for index in range(2)]
    pictures[1] = pictures[1][:28, :25]
    for index, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / f"{index}.png"), picture[..., ::-1])
    source, _ = photographs.load(tmp_path, size)
    seen = set()
    for crop in source.crops(400, size, torch.Generator().manual_seed(5)).numpy():
        x, y, index = crop.min((0, 1))
        window = pictures[index][y : y + size, x : x + size]
        turned = [np.rot90(one, turn) for one in (window, window.swapaxes(0, 1)) for turn in range(4)]
        matches = [turn for turn, one in enumerate(turned) if np.array_equal(one, crop)]
        assert len(matches) == 1
        seen.add((index, matches[0]))
    assert len(seen) == 2 * 8


def test_some_crops_are_flat() -> None:
    crops = torch.randint(256, (200, 6, 8, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    some = photographs.flattened(crops, torch.Generator().manual_seed(1))
    kept = (some == crops).all(dim=3).all(dim=2).all(dim=1)
    assert 0.05 < 1 - float(kept.float().mean()) < 0.15
    mean = crops[~kept].float().mean((1, 2))
    assert torch.equal(some[~kept].float(), mean.round()[:, None, None].expand(-1, 6, 8, -1))


def test_unprocessed_mid_grey_is_known() -> None:
    grey = torch.full((4, 8, 8, 3), 128, dtype=torch.uint8)
    rgb = unprocess(grey, torch.Generator().manual_seed(0))
    # The camera matrices keep neutral neutral: the channels differ by the white balance alone.
    ratio = rgb[:, 1] / rgb[:, 0]
    assert (ratio > 1.89).all()
    assert (ratio < 2.41).all()
    x = 0.5 - np.sin(np.arcsin(1 - 2 * 128 / 255) / 3)
    assert rgb[:, 1].max() <= 1.1 * x**2.2 + 1e-4


def test_packed_planes_are_the_rggb_mosaic() -> None:
    rgb = torch.arange(3 * 4 * 4, dtype=torch.float32).reshape(1, 3, 4, 4)
    planes = pack_rggb(rgb)[0]
    assert planes[:, 0, 0].tolist() == [0, 16 + 1, 16 + 4, 32 + 5]


def test_noise_has_the_stated_variance() -> None:
    clean = torch.full((64, 4, 64, 64), 0.25)
    batch = corrupt(clean, torch.Generator().manual_seed(2))
    variance = (batch.noisy - clean).var((2, 3))
    stated = (batch.shot * 0.25 + batch.read)[:, :, 0, 0]
    ratio = (variance / stated).median()
    assert 0.97 < float(ratio) < 1.03
    assert torch.equal(batch.shot[:, 1], batch.shot[:, 2])
    assert torch.equal(batch.read[:, 1], batch.read[:, 2])


def test_the_network_is_often_told_wrong_noise() -> None:
    batch = corrupt(torch.full((400, 4, 2, 2), 0.25), torch.Generator().manual_seed(3))
    factor = (batch.told_shot / batch.shot)[:, 0, 0, 0]
    assert torch.allclose(batch.told_read / batch.read, batch.told_shot / batch.shot)
    assert 0.2 < float((factor == 1).float().mean()) < 0.4
    assert 2**-1.5 <= float(factor.min()) < 0.38
    assert 2.65 < float(factor.max()) <= 2**1.5


def test_levels_follow_the_darmstadt_fit() -> None:
    shot, read = draw_levels(20_000, torch.Generator().manual_seed(1))
    assert 5e-5 <= float(shot.min()) <= 5.2e-5
    assert 1.95e-2 <= float(shot.max()) <= 2e-2
    middle = (shot > 1.2e-3) & (shot < 1.4e-3)
    assert abs(float(torch.log10(read[middle]).median()) - (2.25 * np.log10(1.3e-3) + 1.38)) < 0.06


def test_loss_prefers_the_truth_and_sees_a_lifted_dark() -> None:
    clean = torch.full((2, 4, 16, 16), 0.01)
    clean[..., :8] = 0.5
    shot = torch.full((2, 4, 1, 1), 4e-3)
    batch = NoisyBatch(clean, clean, shot, shot * 0.02, shot, shot * 0.02)
    assert denoising_loss(clean, batch, 20) < 1e-4
    ripple = 0.002 * (-1.0) ** torch.arange(16)
    assert denoising_loss(clean + 0.002, batch, 20) > denoising_loss(clean + ripple, batch, 20)


def test_learning_rate_warms_up_and_ends_low() -> None:
    recipe = Recipe()
    shares = [schedule(recipe, step) for step in (0, recipe.warm_up_steps, recipe.steps // 2, recipe.steps - 1)]
    assert shares[0] < shares[1] <= 1
    assert shares[1] > shares[2] > shares[3]
    assert shares[3] <= 2e-3
