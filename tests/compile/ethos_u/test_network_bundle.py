"""The bundle of an NPU: its files, its manifest, and that they are what was compiled."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from compile.ethos_u import border, network_bundle, verification
from compile.ethos_u.integer_graph import Convolution
from compile.ethos_u.tile import HALO_PX
from compile.networks import SourceFamily
from denoiser.network import complexity
from isp.errors import InputError
from isp.report.sidecar import sha256
from targets import golden
from targets.npu_bundle import read as read_bundle
from tests.compile.conftest import SHOT_RANGE
from tests.compile.ethos_u.conftest import TARGET, TILE_PX, NpuBundle
from tests.compile.ethos_u.test_model_source import array_of

ROOT = Path(__file__).parents[3]
TILES = ("low", "middle", "high", "extremes")


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def manifest(npu_bundle: NpuBundle) -> dict:
    return json.loads((npu_bundle.folder / "manifest.json").read_text())


def test_the_files(npu_bundle: NpuBundle) -> None:
    parts = ("noisy.f32", "clean.f32", "reference.f32", "input.bin", "output.bin")
    assert content_of(npu_bundle.folder).keys() == {
        "manifest.json",
        "verification.json",
        "report.html",
        "include/fan.h",
        "include/fan_npu.h",
        "src/fan_normalisation.h",
        "src/fan_npu.c",
        "src/fan_npu_model.h",
        "src/fan_npu_model.c",
        *(f"networks/0.{part}" for part in ("payload", "weights", "tosa", "npz")),
        "golden/index.json",
        *(f"golden/0/{tile}.{part}" for tile in TILES for part in parts),
    }
    for name in (
        "include/fan.h",
        "include/fan_npu.h",
        "src/fan_normalisation.h",
        "src/fan_npu.c",
        "src/fan_npu_model.h",
    ):
        assert (npu_bundle.folder / name).read_bytes() == files("firmware_hooks").joinpath(name).read_bytes()


def test_what_the_manifest_says_of_the_whole(npu_bundle: NpuBundle, manifest: dict) -> None:
    assert (manifest["schema"], manifest["abi"]) == (1, 1)
    assert (manifest["target"], manifest["precision"]) == (TARGET, "a16w8")
    assert manifest["family"] == npu_bundle.request.family.name
    assert manifest["npu"]["accelerator"] == TARGET
    assert manifest["calibration"] == {"images": "drawn scenes"}
    assert manifest["toolchain"] == {
        "tvm": version("apache-tvm"), "vela": version("ethos-u-vela"), "tosa-tools": version("tosa-tools")
    }  # fmt: skip
    assert [one["name"] for one in manifest["specialists"]] == ["tiny"]


def test_what_the_manifest_says_of_a_network(npu_bundle: NpuBundle, manifest: dict, tiny_weights: Path) -> None:
    (one,), (built,) = manifest["specialists"], npu_bundle.built
    cost = complexity(built.source.network)
    assert one["sha256"] == sha256(tiny_weights)
    assert (one["shot_range"], one["chosen_from"]) == (list(SHOT_RANGE), 0)
    assert (one["parameters"], one["mac_per_raw_pixel"]) == (cost.parameters, cost.mac_per_raw_pixel)
    assert (one["tile_px"], one["halo_px"], one["layout"]) == (TILE_PX, HALO_PX, "nhwc")
    side = TILE_PX // 2
    assert (one["input"]["shape"], one["input"]["type"]) == ([1, side, side, 5], "int16")
    assert (one["output"]["shape"], one["output"]["type"]) == ([1, side, side, 4], "int16")
    assert (one["input"]["step"], one["output"]["step"]) == (built.network.image.step, built.network.output.step)
    for tensor in (one["input"], one["output"]):
        assert tensor["region"] == one["memory"]["scratch_region"]
        assert tensor["offset"] + 2 * np.prod(tensor["shape"]) <= one["memory"]["scratch_bytes"]
    assert one["memory"]["weights_bytes"] == (npu_bundle.folder / "networks" / "0.weights").stat().st_size


def test_estimates_are_called_estimates(manifest: dict) -> None:
    (one,) = manifest["specialists"]
    estimates = one["estimates"]
    assert estimates["by"] == f"Vela {version('ethos-u-vela')}, Ethos_U55_High_End_Embedded; not measured"
    assert one["operators"]["all"] == one["operators"]["on_npu"] > 10
    given = (TILE_PX - 2 * HALO_PX) ** 2
    assert estimates["cycles_per_megapixel"] == round(estimates["cycles_per_tile"] / given * 1e6)
    tiles = estimates["tiles_per_frame"]
    assert tiles == -(-3000 // (TILE_PX - 2 * HALO_PX)) * (4000 // (TILE_PX - 2 * HALO_PX))
    assert estimates["frame_s"] == pytest.approx(tiles * estimates["cycles_per_tile"] / 5e8, abs=1e-4)


def test_every_file_is_the_one_that_the_manifest_lists(npu_bundle: NpuBundle, manifest: dict) -> None:
    (one,) = manifest["specialists"]
    integers = [file for tile in one["golden"].values() for file in tile.values()]
    listed = [*manifest["sources"], *one["files"].values(), *integers]
    assert len(listed) == 6 + 4 + 2 * len(TILES)
    for file in listed:
        assert sha256(npu_bundle.folder / file["path"]) == file["sha256"]


def test_what_is_shipped_is_what_was_simulated(npu_bundle: NpuBundle) -> None:
    content = content_of(npu_bundle.folder)
    raw = np.load(io.BytesIO(content["networks/0.npz"]))
    model = content["src/fan_npu_model.c"].decode()
    assert content["networks/0.payload"] == raw["cmd_data"].tobytes() == array_of(model, "payload_0")
    assert content["networks/0.weights"] == raw["weight_data"].tobytes() == array_of(model, "weights_0")


def test_golden_tiles_as_the_npu_sees_them(npu_bundle: NpuBundle) -> None:
    (built,) = npu_bundle.built
    (made,) = golden.read(npu_bundle.folder / "golden")
    assert made.specialist == "tiny"
    assert tuple(tile.name for tile in made.tiles) == TILES
    for tile in made.tiles:
        assert tile.noisy.shape == (TILE_PX, TILE_PX)
        found = np.fromfile(npu_bundle.folder / "golden" / "0" / f"{tile.name}.input.bin", "<i2")
        expected = border.integers(border.seen(tile.noisy, tile.shot, tile.read), built.network, built.layout)
        assert (found == expected.reshape(-1)).all()


def test_the_summary_of_the_verification(npu_bundle: NpuBundle, manifest: dict) -> None:
    assert manifest["verification"] == {
        "passes": True,
        "tiles": 4,
        "greatest_loss_db": max(one.measures.quality_loss_db for one in npu_bundle.results[:3]),
        "greatest_dark_loss_db": max(one.dark_loss_db for one in npu_bundle.results[:3]),
        "simulated_tiles": 4,
        "simulated_values": 4 * 4 * (TILE_PX // 2) ** 2,
        "simulated_values_that_differ": 0,
    }
    found = json.loads((npu_bundle.folder / "verification.json").read_text())
    assert {key: found[key] for key in manifest["verification"] if key != "tiles"} == {
        key: value for key, value in manifest["verification"].items() if key != "tiles"
    }
    assert [(one["specialist"], one["tile"], one["differing"]) for one in found["tiles"]] == [
        ("tiny", tile, 0) for tile in TILES
    ]


def test_boards_can_read_it(npu_bundle: NpuBundle) -> None:
    opened = read_bundle(npu_bundle.folder)
    for tile, made in zip(TILES, npu_bundle.built[0].golden, strict=True):
        assert (opened.integers(0, tile, "input") == made.image).all()
        assert (opened.integers(0, tile, "output") == made.answer).all()


@pytest.mark.parametrize(
    "name", ["networks/0.payload", "networks/0.weights", "src/fan_npu_model.c", "src/fan_npu.c", "include/fan_npu.h"]
)
def test_a_corrupt_bundle_is_noticed(npu_bundle: NpuBundle, tmp_path: Path, name: str) -> None:
    for path, content in content_of(npu_bundle.folder).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    damaged = bytearray((tmp_path / name).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / name).write_bytes(damaged)
    with pytest.raises(InputError, match=r"its content is not what the manifest lists"):
        read_bundle(tmp_path)


def test_another_process_makes_the_same_bytes(npu_bundle: NpuBundle, tiny_weights: Path, tmp_path: Path) -> None:
    """The command itself, from the start."""
    arguments = ["--target", TARGET, "--model", tiny_weights, "--tile", str(TILE_PX), "-o", tmp_path / "out"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-m", "compile", *arguments], capture_output=True, text=True, env=environment, cwd=tmp_path
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("error")) == (0, 0)
    assert done.stdout.splitlines()[1].split()[:2] == ["tiny", "low"]
    assert done.stdout.splitlines()[-1] == str(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    made, expected = content_of(tmp_path / "out"), content_of(npu_bundle.folder)
    assert made.keys() == expected.keys()
    assert [name for name in made if made[name] != expected[name]] == []


def test_several_networks(
    npu_bundle: NpuBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (source,), (built,) = npu_bundle.request.family.networks, npu_bundle.built
    sources = [
        replace(source, member=replace(source.member, name=name, chosen_from=begin))
        for name, begin in (("first", 0.0), ("second", 1e-3))
    ]
    output = built.network.output
    assert isinstance(output, Convolution)
    other = replace(built.network, output=replace(output, bias=output.bias + 1000))
    integers = {"first": built.network, "second": other}
    monkeypatch.setattr(verification, "_SCENES", verification._SCENES[-2:])
    monkeypatch.setattr(network_bundle, "lowered", lambda one, *_: integers[one.member.name])
    request = replace(npu_bundle.request, family=SourceFamily("both", tuple(sources)))
    folder = tmp_path / "out"
    folder.mkdir()
    with caplog.at_level(logging.INFO):
        built = network_bundle.build(request)
        network_bundle.write(request, built, folder)
        results = network_bundle.verified(request, built, folder)
    network_bundle.write_verification(request, built, results, folder)
    network_bundle.write_manifest(request, built, results, folder)
    found = json.loads((folder / "manifest.json").read_text())
    assert [one["name"] for one in found["specialists"]] == ["first", "second"]
    assert [one["files"]["weights"]["path"] for one in found["specialists"]] == [
        "networks/0.weights", "networks/1.weights"
    ]  # fmt: skip
    assert (folder / "networks/0.weights").read_bytes() != (folder / "networks/1.weights").read_bytes()
    assert [one.specialist for one in results] == ["first"] * 2 + ["second"] * 2
    assert [made.specialist for made in golden.read(folder / "golden")] == ["first", "second"]
    model = (folder / "src" / "fan_npu_model.c").read_text()
    assert "fan_npu_networks_count = 2u" in model
    assert array_of(model, "payload_1") == (folder / "networks/1.payload").read_bytes()
    page = (folder / "report.html").read_text()
    assert "<h3>first</h3>" in page
    assert "<h3>second</h3>" in page
    assert "second: verifying" in caplog.text
