from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from compile import golden
from compile.golden_scenes import DEPTHS_SIGMAS, SCENES
from denoiser.network import FeatureAlignNetwork
from denoiser.normalisation import DEEPEST_SIGMAS, SHOT_FLOOR, apply_residual, network_input
from targets.golden import PARTS, GoldenSet, GoldenTile, read
from tests.compile.golden_tiles import SHOT_RANGE, tiny_network


@pytest.fixture(scope="module")
def network() -> FeatureAlignNetwork:
    return tiny_network()


@pytest.fixture(scope="module")
def tiles(network: FeatureAlignNetwork) -> dict[str, GoldenTile]:
    return {tile.name: tile for tile in golden.make(network, SHOT_RANGE)}


def _digest(tiles: dict[str, GoldenTile]) -> str:
    digest = hashlib.sha256()
    for tile in tiles.values():
        for part in (tile.noisy, tile.clean, tile.reference):
            digest.update(part.tobytes())
    return digest.hexdigest()


def test_tiles_are_the_same_every_time(network: FeatureAlignNetwork, tiles: dict[str, GoldenTile]) -> None:
    again = {tile.name: tile for tile in golden.make(network, SHOT_RANGE)}
    assert _digest(again) == _digest(tiles)
    assert next(network.parameters()).dtype == torch.float32


def test_sizes_are_what_the_interface_takes(tiles: dict[str, GoldenTile]) -> None:
    sizes = {(tile.height, tile.width) for tile in tiles.values()}
    assert all(height % 16 == 0 and width % 16 == 0 for height, width in sizes)
    assert any(height < width for height, width in sizes)
    assert any(height > width for height, width in sizes)
    assert (16, 16) in sizes
    for tile in tiles.values():
        for part in (tile.noisy, tile.clean, tile.reference):
            assert part.shape == (tile.height, tile.width)
            assert part.dtype == np.float32
            assert np.isfinite(part).all()


@pytest.mark.parametrize("shot_range", [SHOT_RANGE, (7e-4, 2e-2)])
def test_noise_covers_the_range_of_the_network(shot_range: tuple[float, float]) -> None:
    noise = {scene.name: scene.noise(shot_range) for scene in SCENES}
    assert noise["low"][0] == pytest.approx((shot_range[0],) * 3)
    assert noise["middle"][0] == pytest.approx((np.sqrt(shot_range[0] * shot_range[1]),) * 3)
    assert noise["high"][0] == pytest.approx((shot_range[1],) * 3)
    for name in ("low", "middle", "high"):
        shot, read = noise[name]
        assert np.log10(read) == pytest.approx(2.25 * np.log10(shot) + 1.38)
    assert len(set(noise["per-colour"][0])) == len(set(noise["per-colour"][1])) == 3
    shot, read = noise["cleanest"]
    assert max(s + 4 * r for s, r in zip(shot, read, strict=True)) < SHOT_FLOOR
    assert shot[0] == read[0] == 0
    assert all(float(np.float32(value)) == value for levels in noise.values() for both in levels for value in both)


@pytest.mark.parametrize("name", ["low", "middle", "high", "per-colour"])
def test_noise_is_what_the_tile_says(tiles: dict[str, GoldenTile], name: str) -> None:
    tile = tiles[name]
    for channel, (row, column) in ((0, (0, 0)), (1, (0, 1)), (1, (1, 0)), (2, (1, 1))):
        clean, noisy = tile.clean[row::2, column::2], tile.noisy[row::2, column::2]
        # Light that the sensor cannot hold is cut, and its noise with it.
        below = clean < 0.5
        variance = tile.shot[channel] * clean[below] + tile.read[channel]
        deviations = (noisy - clean)[below] / np.sqrt(variance)
        assert deviations.std() == pytest.approx(1, abs=0.06)
        assert abs(deviations.mean()) < 0.06


def test_the_scenes_hold_shadows_lights_and_detail(tiles: dict[str, GoldenTile]) -> None:
    assert (tiles["middle"].clean < 0.02).mean() > 0.2
    assert (tiles["high"].clean == 1).any()
    assert (tiles["high"].noisy < 0).any()
    assert np.abs(np.diff(tiles["low"].clean[::2, ::2], axis=1)).mean() > 0.02


def test_extremes_leave_no_doubt_at_the_normalisations_step(tiles: dict[str, GoldenTile]) -> None:
    tile = tiles["extremes"]
    assert (tile.noisy == 0).sum() > 1000
    assert tile.noisy.max() == 16
    black_sigma = np.sqrt(0.375 * tile.shot[0] ** 2 + tile.read[0])
    depth = -tile.noisy[tile.noisy < 0] / black_sigma
    assert depth.max() > 2 * DEEPEST_SIGMAS
    assert np.abs(depth - DEEPEST_SIGMAS).min() > 0.4
    assert min(DEPTHS_SIGMAS) < DEEPEST_SIGMAS < max(DEPTHS_SIGMAS)


def test_the_reference_is_the_network_in_float64(network: FeatureAlignNetwork, tiles: dict[str, GoldenTile]) -> None:
    """Against planes sliced by hand, so that packing, the order of the greens and the noise of each colour count."""
    exact = tiny_network().double()
    for tile in tiles.values():
        mosaic = tile.noisy.astype(np.float64)
        planes = np.stack([mosaic[0::2, 0::2], mosaic[0::2, 1::2], mosaic[1::2, 0::2], mosaic[1::2, 1::2]])
        shot, read = (
            torch.tensor([red, green, green, blue], dtype=torch.float64).reshape(1, 4, 1, 1)
            for red, green, blue in (tile.shot, tile.read)
        )
        packed = torch.from_numpy(planes)[None]
        out = apply_residual(packed, exact(network_input(packed, shot, read)), shot, read)[0].numpy()
        expected = np.empty_like(mosaic)
        for position in range(4):
            expected[position // 2 :: 2, position % 2 :: 2] = out[position]
        assert np.array_equal(tile.reference, expected.astype(np.float32))
        assert np.abs(tile.reference - tile.noisy).max() > 1e-4


def test_what_is_written_is_read(tiles: dict[str, GoldenTile], tmp_path: Path) -> None:
    sets = (GoldenSet("one", (tiles["smallest"], tiles["short"])), GoldenSet('two / "2"', (tiles["per-colour"],)))
    golden.write(tmp_path / "golden", sets)
    again = read(tmp_path / "golden")
    assert [found.specialist for found in again] == ["one", 'two / "2"']
    for before, after in zip(sets, again, strict=True):
        for tile, found in zip(before.tiles, after.tiles, strict=True):
            assert (found.name, found.shot, found.read) == (tile.name, tile.shot, tile.read)
            for part in PARTS:
                assert np.array_equal(getattr(found, part), getattr(tile, part))
    raw = (tmp_path / "golden/1/per-colour.noisy.f32").read_bytes()
    assert np.array_equal(np.frombuffer(raw, "<f4"), tiles["per-colour"].noisy.ravel())
    assert not list(tmp_path.rglob("*.partial"))


def test_a_bundle_is_checked_without_torch(tiles: dict[str, GoldenTile], tmp_path: Path) -> None:
    golden.write(tmp_path, [GoldenSet("one", (tiles["smallest"],))])
    code = (
        "import sys; from pathlib import Path; import compile.verification; from targets import golden; "
        f"golden.read(Path({str(tmp_path)!r})); sys.exit('torch' in sys.modules or 'tvm' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
