"""Options that reach what they are for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from isp.cli.main import main
from isp.report.sidecar import sha256

SAMPLE = Path(__file__).parents[3] / "isp/sample/sample.dng"
FAST = ("--without", "denoise", "--set", "demosaic.method=half")
DUMP = ("--cfa", "GBRG", "--bits-per-pixel", "10", "--black", "64")
CALIBRATION = """noise_calibration: 1
model: a camera
entries: [{iso: null, shot: [1.0e-3, 2.0e-3, 3.0e-3], read: [1.0e-6, 1.0e-6, 1.0e-6]}]
"""


def isp(*arguments: str | Path) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "dump.npy"
    np.save(path, np.random.default_rng(0).integers(100, 1000, (96, 128), dtype=np.uint16))
    return path


def test_stages_are_saved_and_gone_on_from(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    stages = ("--save-stages", tmp_path / "stages")
    assert isp("run", SAMPLE, "-o", tmp_path / "whole.png", *stages, *FAST) == 0
    assert (tmp_path / "stages/sample/09_tone_map.npy").is_file()
    capfd.readouterr()
    again = ("-o", tmp_path / "again.png", "--start-at", "tone_map", "--json")
    assert isp("run", SAMPLE, *again, *stages, *FAST) == 0
    (result,) = json.loads(capfd.readouterr().out)["results"]
    assert list(result["timings_s"]) == ["read", "tone_map", "output_encoding", "write"]
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "whole.png").read_bytes()


def test_sidecar_stands_beside_the_result_where_it_is_asked_for(tmp_path: Path) -> None:
    assert isp("run", SAMPLE, "-o", tmp_path / "a.png", "--sidecar", *FAST) == 0
    assert json.loads((tmp_path / "a.png.json").read_text())["result"]["sha256"] == sha256(tmp_path / "a.png")
    assert isp("run", SAMPLE, "-o", tmp_path / "b.png", *FAST) == 0
    assert not (tmp_path / "b.png.json").exists()


def test_array_of_the_stage_to_stop_after(tmp_path: Path) -> None:
    assert isp("run", SAMPLE, "-o", tmp_path / "a.npy", "--stop-after", "demosaic", *FAST) == 0
    array = np.load(tmp_path / "a.npy")
    assert (array.shape, array.dtype) == ((400, 600, 3), np.float32)


@pytest.mark.parametrize(("command", "name"), [("run", "a.png"), ("compare", "a.html")])
def test_results_are_replaced_only_where_it_is_asked_for(
    command: str, name: str, dump: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text("precious")
    arguments = (command, dump, "-o", tmp_path / name, "--set", "denoise.strength=0", *DUMP)
    assert isp(*arguments) == 2
    assert "add --overwrite" in capfd.readouterr().err
    assert (tmp_path / name).read_text() == "precious"
    assert isp(*arguments, "--overwrite") == 0
    assert (tmp_path / name).read_bytes() != b"precious"


@pytest.mark.parametrize("command", ["run", "info", "compare"])
@pytest.mark.parametrize("given", ["calibration", "user", "estimate"])
def test_noise_comes_from_where_it_is_given(
    command: str, given: str, dump: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    calibration = tmp_path / "calibration.yaml"
    calibration.write_text(CALIBRATION)
    options: tuple[str | Path, ...] = () if given == "estimate" else ("--calibration", calibration)
    if given == "user":
        options += ("--noise", "5e-3,1e-6")
    if command != "info":
        suffix = ".png" if command == "run" else ".html"
        options += ("-o", tmp_path / f"a{suffix}", "--set", "denoise.strength=0")
    if command != "compare":
        options += ("--json",)
    assert isp(command, dump, *options, *DUMP) == 0
    out = capfd.readouterr().out
    if command == "compare":
        words = {"calibration": "a calibration file", "user": "given by the user", "estimate": "estimated from the"}
        assert words[given] in (tmp_path / "a.html").read_text()
        return
    (found,) = json.loads(out)["results" if command == "run" else "captures"]
    assert found["noise"]["origin"] == given
    if given != "estimate":
        assert found["noise"]["shot"] == ([1e-3, 2e-3, 3e-3] if given == "calibration" else [5e-3] * 3)
