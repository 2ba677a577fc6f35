"""The recipes of the shipped models, and the command that runs them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from denoiser import weights_file
from denoiser.__main__ import main
from denoiser.network import Architecture, FeatureAlignNetwork, complexity
from denoiser.training.noise_synthesis import SHOT_RANGE
from denoiser.training.recipe import RECIPES

BUDGET_PARAMETERS, BUDGET_MAC, SMALL_MAC = 161_000, 2670, 1350


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "teacher"])
def test_models_are_within_their_budget(name: str) -> None:
    cost = complexity(FeatureAlignNetwork(RECIPES[name].architecture))
    assert cost.parameters <= BUDGET_PARAMETERS
    assert cost.mac_per_raw_pixel <= (SMALL_MAC if name.startswith("small") else BUDGET_MAC)


def test_the_teacher_fits_in_16_mib_of_float16() -> None:
    assert complexity(FeatureAlignNetwork(RECIPES["teacher"].architecture)).parameters <= 8_000_000


@pytest.mark.parametrize("family", ["specialist", "small"])
def test_specialists_share_the_noise_range_and_overlap(family: str) -> None:
    ranges = [recipe.shot_range for name, recipe in RECIPES.items() if name.startswith(f"{family}-")]
    assert len(ranges) > 1
    assert ranges[0][0] <= SHOT_RANGE[0]
    assert ranges[-1][1] >= SHOT_RANGE[1]
    assert all(1.5 < a[1] / b[0] < 4 for a, b in pairwise(ranges))


def test_a_specialist_asks_for_its_parent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["train", "specialist-2", "--photographs", str(tmp_path), "--run", str(tmp_path / "specialist-2")]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert str(tmp_path / "universal" / "weights.safetensors") in error
    assert "--start-from" in error


def test_unknown_recipes_and_guidance_without_a_teacher_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "univresal", "--photographs", str(tmp_path)]) == 2
    assert "universal" in capsys.readouterr().err
    assert main(["train", "--feature-weight", "1", "--photographs", str(tmp_path)]) == 2
    assert "--teacher" in capsys.readouterr().err


def test_large_networks_are_kept_in_half_precision(tmp_path: Path) -> None:
    torch.manual_seed(1)
    large = FeatureAlignNetwork(Architecture((64, 256), (2, 4), (2,)))
    path = tmp_path / "large.safetensors"
    weights_file.save(path, large, "large", SHOT_RANGE)
    assert path.stat().st_size < 2.1 * sum(p.numel() for p in large.parameters())
    loaded, _ = weights_file.load(path)
    for before, after in zip(large.parameters(), loaded.parameters(), strict=True):
        assert after.dtype == torch.float32
        assert torch.allclose(before, after, rtol=1e-3, atol=1e-6)
