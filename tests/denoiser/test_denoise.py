"""The contract of `denoise_mosaic` and `Denoiser`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from denoiser import Denoiser, denoise_mosaic, manifest, weights_file
from denoiser.denoise import BACKENDS
from denoiser.models import Catalogue
from denoiser.network import INPUT_CHANNELS, Architecture, FeatureAlignNetwork
from isp.cfa import Cfa
from isp.errors import ConfigError, InputError
from tests.denoiser.model_folders import TWO

SHOT, READ = 4e-3, 9.6e-5


def scene(
    height: int, width: int, seed: int = 0, shot: float = SHOT, read: float = READ
) -> tuple[np.ndarray, np.ndarray]:
    """(clean, noisy) mosaic of a smooth grey scene."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    clean = 0.3 + 0.25 * np.sin(y / 23) * np.cos(x / 31)
    noisy = rng.poisson(clean / shot) * shot + rng.normal(0, read**0.5, clean.shape)
    return clean.astype(np.float32), noisy.astype(np.float32)


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network whose every weight is at work, so that seams and halos would show."""
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    random_weights(path, Architecture(), (5e-5, 2e-2))
    return str(path)


def random_weights(path: Path, architecture: Architecture, shot_range: tuple[float, float]) -> None:
    torch.manual_seed(5)
    network = FeatureAlignNetwork(architecture)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_uniform_(parameter)
    with torch.no_grad():
        residual = network(torch.randn(1, INPUT_CHANNELS, 64, 64))
        network.head.weight *= 0.25 / residual.std()
    weights_file.save(path, network, path.stem, shot_range)


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Two specialists of different architectures, with every weight at work."""
    folder = tmp_path_factory.mktemp("family")
    deep = Architecture((8, 8, 8, 8), (1, 1, 1, 1), (1, 1, 1))
    shallow = Architecture((8, 8), (1, 1), (1,))
    for (name, shot_range), architecture in zip(TWO.items(), (deep, shallow), strict=True):
        random_weights(folder / f"{name}.safetensors", architecture, shot_range)
    manifest.write(manifest.build(folder))
    return manifest.read(folder)


@pytest.mark.parametrize("cfa", Cfa)
def test_removes_noise_in_every_phase(cfa: Cfa) -> None:
    clean, noisy = scene(128, 160)
    out = denoise_mosaic(noisy, cfa, SHOT, READ)
    before, after = np.square(noisy - clean).mean(), np.square(out - clean).mean()
    assert out.dtype == np.float32
    assert after < before / 20


@pytest.mark.parametrize("tile_px", [16, 48, 100, 256])
@pytest.mark.parametrize("cfa", [Cfa.RGGB, Cfa.GBRG])
def test_tile_size_does_not_change_the_result(random_model: str, tile_px: int, cfa: Cfa) -> None:
    _, noisy = scene(118, 94)
    for model in (random_model, "universal"):
        whole = Denoiser(model, tile_px=4096).denoise(noisy, cfa, SHOT, READ)
        tiled = Denoiser(model, tile_px=tile_px).denoise(noisy, cfa, SHOT, READ)
        assert np.abs(whole - noisy).max() > 0.01
        assert np.abs(tiled - whole).max() <= 1e-5


@pytest.mark.parametrize("shape", [(2, 2), (2, 64), (30, 2), (34, 18)])
def test_any_even_size(shape: tuple[int, int]) -> None:
    _, noisy = scene(*shape)
    out = denoise_mosaic(noisy, "GRBG", SHOT, READ)
    assert out.shape == shape
    assert np.isfinite(out).all()


def test_no_noise_is_the_identity() -> None:
    _, noisy = scene(64, 64)
    assert np.array_equal(denoise_mosaic(noisy, "RGGB", 0.0, 0.0), noisy)
    assert np.abs(denoise_mosaic(noisy, "RGGB", 1e-12, 1e-14) - noisy).max() < 1e-4


def test_values_below_black_survive() -> None:
    rng = np.random.default_rng(1)
    noisy = rng.normal(0, READ**0.5, (256, 256)).astype(np.float32)
    out = denoise_mosaic(noisy, "RGGB", SHOT, READ)
    assert out.min() < 0
    assert abs(out.mean()) < 0.1 * READ**0.5


@pytest.mark.parametrize("level", [-0.05, -0.5, -5.0])
def test_a_black_level_far_too_high_is_survived(level: float) -> None:
    shot, read = 2e-4, 1.4e-7
    mosaic = np.full((96, 96), level, np.float32)
    mosaic[40, 40] = 0.6  # a hot pixel
    out = denoise_mosaic(mosaic, "RGGB", shot, read)
    flat = np.abs(mosaic - level) < 0.1
    assert np.abs(out - mosaic)[flat].max() < 50 * read**0.5


def test_strength_is_monotone_from_nothing() -> None:
    clean, noisy = scene(128, 128)
    left = [
        float(np.square(denoise_mosaic(noisy, "RGGB", SHOT, READ, strength=s) - clean).mean()) for s in (0, 0.3, 0.7, 1)
    ]
    assert np.array_equal(denoise_mosaic(noisy, "RGGB", SHOT, READ, strength=0), noisy)
    assert left == sorted(left, reverse=True)
    change = [
        float(np.square(denoise_mosaic(noisy, "RGGB", SHOT, READ, strength=s) - noisy).mean()) for s in (0.5, 1, 1.5)
    ]
    assert change == sorted(change)


def test_noise_per_colour_is_told_to_its_planes(random_model: str) -> None:
    _, noisy = scene(64, 64)
    model = Denoiser(random_model)
    same = model.denoise(noisy, "RGGB", (SHOT,) * 3, (READ,) * 3)
    assert np.array_equal(same, model.denoise(noisy, "RGGB", SHOT, READ))
    red = model.denoise(noisy, "RGGB", (2 * SHOT, SHOT, SHOT), READ)
    assert np.abs(red - same)[0::2, 0::2].max() > 1e-3


def test_four_threads_agree_with_one(random_model: str) -> None:
    model = Denoiser(random_model, tile_px=64)
    frames = [scene(96, 96, seed)[1] for seed in range(8)]
    alone = [model.denoise(frame, "BGGR", SHOT, READ) for frame in frames]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda frame: model.denoise(frame, "BGGR", SHOT, READ), frames))
    for a, b in zip(alone, together, strict=True):
        assert np.array_equal(a, b)


def test_progress_counts_tiles() -> None:
    seen: list[tuple[int, int]] = []
    Denoiser(tile_px=64).denoise(scene(128, 64)[1], "RGGB", SHOT, READ, progress=lambda *at: seen.append(at))
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cfa": "RGBG"}, "RGGB, BGGR, GRBG, GBRG"),
        ({"mosaic": np.zeros((5, 4), np.float32)}, "even"),
        ({"mosaic": np.full((4, 4), np.nan, np.float32)}, "not finite"),
        ({"shot": -1.0}, "shot"),
        ({"read": (1.0, 2.0)}, "read"),
        ({"strength": 2.0}, "0 to 1.5"),
        ({"model": "no_such_model"}, "universal"),
    ],
)
def test_wrong_arguments_are_named(change: dict[str, object], message: str) -> None:
    arguments = {"mosaic": np.zeros((4, 4), np.float32), "cfa": "RGGB", "shot": SHOT, "read": READ, **change}
    with pytest.raises(ConfigError, match=message):
        denoise_mosaic(**arguments)


@pytest.mark.parametrize(("shot", "name"), [(1e-4, "specialist-1"), (1e-2, "specialist-2")])
def test_a_family_denoises_by_the_member_for_the_noise(family: Catalogue, shot: float, name: str) -> None:
    _, noisy = scene(70, 94, shot=shot)
    whole = Denoiser("auto", catalogue=family, tile_px=4096)
    assert whole.name == "specialists"
    assert whole.member_for(shot).name == name
    out = whole.denoise(noisy, "RGGB", shot, READ)
    assert np.abs(out - noisy).max() > 1e-3
    assert np.array_equal(out, Denoiser(name, catalogue=family).denoise(noisy, "RGGB", shot, READ))
    # Tiles fit the member at work.
    tiled = Denoiser("specialists", catalogue=family, tile_px=16).denoise(noisy, "RGGB", shot, READ)
    assert np.abs(tiled - out).max() <= 1e-5


def test_a_single_model_serves_any_noise(family: Catalogue) -> None:
    denoiser = Denoiser("specialist-2", catalogue=family)
    assert denoiser.name == "specialist-2"
    assert [denoiser.member_for(shot).name for shot in (0.0, 1e-6, 1e-2)] == ["specialist-2"] * 3


def test_the_member_is_chosen_by_the_shot_noise(family: Catalogue) -> None:
    denoiser = Denoiser("specialists", catalogue=family)
    below = 0.9 * denoiser.members[1].chosen_from
    assert denoiser.member_for(below) == denoiser.members[0]
    assert denoiser.member_for((below, 1.3 * below, below)) == denoiser.members[1]  # green counts twice
    assert denoiser.member_for((1.3 * below, below, below)) == denoiser.members[0]
    _, noisy = scene(32, 32)
    by_both = denoiser.denoise(noisy, "RGGB", below, READ, strength=1.2)
    assert np.array_equal(
        by_both, Denoiser("specialist-1", catalogue=family).denoise(noisy, "RGGB", below, READ, strength=1.2)
    )


def test_members_are_loaded_once_and_when_they_are_needed(family: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    load = weights_file.load
    monkeypatch.setattr(weights_file, "load", lambda path: opened.append(path.stem) or load(path))
    denoiser = Denoiser("specialists", catalogue=family)
    assert opened == []
    _, noisy = scene(32, 32)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda shot: denoiser.denoise(noisy, "RGGB", shot, READ), [1e-2] * 4))
    assert opened == ["specialist-2"]
    denoiser.denoise(noisy, "RGGB", 1e-4, READ)
    assert opened == ["specialist-2", "specialist-1"]


def test_a_file_that_is_no_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"\x10\0\0\0\0\0\0\0{not json at all")
    with pytest.raises(InputError, match="not usable as weights"):
        Denoiser(str(path))


def test_weights_travel_with_their_architecture(tmp_path: Path) -> None:
    architecture = Architecture((8, 8), (1, 1), (1,))
    path = tmp_path / "small.safetensors"
    weights_file.save(path, FeatureAlignNetwork(architecture), "small", (1e-4, 1e-3))
    network, header = weights_file.load(path)
    assert header == weights_file.WeightsHeader("small", architecture, (1e-4, 1e-3))
    assert network.architecture == architecture
    assert list(tmp_path.iterdir()) == [path]


class _Elsewhere:
    """A backend of another package."""

    def __init__(self, model: str, address: str) -> None:
        self.description = f"{model} at {address}"


def test_backends_of_other_packages_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("there", f"{__name__}:_Elsewhere", BACKENDS),
        EntryPoint("gone", "no_such_package:X", BACKENDS),
    ]

    def entry_points(*, group: str, name: str) -> list[EntryPoint]:
        return [point for point in points if (point.group, point.name) == (group, name)]

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
    assert Denoiser("auto", "there:a folder@user:x").backend == "auto at a folder@user:x"
    with pytest.raises(ConfigError, match=r"denoiser backend 'gone' \(no_such_package:X\) is broken: No module named"):
        Denoiser("auto", "gone:x")
    with pytest.raises(ConfigError, match="denoiser backend 'elsewhere:x'"):
        Denoiser("auto", "elsewhere:x")
