from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from denoiser import cli_calibrate
from denoiser.calibration.camera_noise import from_static_bursts
from denoiser.calibration.captures import Stack
from denoiser.calibration.plot import COLOURS, draw_fit
from isp.cfa import Cfa
from isp.errors import ConfigError, InputError
from isp.noise.calibration import load_calibration
from tests.denoiser.calibration.simulation import Sensor

SENSOR = Sensor()


def calibrate(*words: object) -> int:
    parser = argparse.ArgumentParser()
    cli_calibrate.add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["calibrate", *map(str, words)])
    return arguments.command(arguments)


@pytest.fixture
def pictures(tmp_path) -> tuple[list[Path], list[Path]]:
    flats, darks = [], []
    for kind, files, levels in (("flat", flats, (100, 800, 1500, 2200)), ("dark", darks, (0, 0))):
        for i, level in enumerate(levels):
            for j, frame in enumerate(SENSOR.frames(np.full((120, 160), float(level)), 2, seed=10 * i + level)):
                files.append(tmp_path / f"{kind}_{i}_{j}.png")
                cv2.imwrite(str(files[-1]), frame)
    return flats, darks


@pytest.fixture
def burst(tmp_path) -> Path:
    scene = np.random.default_rng(0).uniform(0, 3000, (160, 200))
    path = tmp_path / "burst.npz"
    np.savez(path, frames=SENSOR.frames(scene, 5))
    return path


def test_flats_and_darks_to_table_file_and_plot(pictures, tmp_path, capsys):
    flats, darks = pictures
    out, plot = tmp_path / "camera.yaml", tmp_path / "fit.png"
    assert (
        calibrate("--flats", *flats, "--darks", *darks, "--white", 4095, "--model", "Sim", "-o", out, "--plot", plot)
        == 0
    )
    text = capsys.readouterr().out
    assert "mono" in text
    assert "row noise" in text
    entry = load_calibration(out).entries[0]
    assert entry.shot == pytest.approx((SENSOR.shot,) * 3, rel=0.05)
    assert entry.read == pytest.approx((SENSOR.read,) * 3, rel=0.05)
    assert "photon transfer" in entry.provenance
    assert cv2.imread(str(plot)).shape == (960, 1280, 3)


def test_json_has_every_line_and_its_error(burst, capsys):
    assert calibrate("--burst", burst, "--cfa", "RGGB", "--black", 64, "--white", 4095, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert set(facts["lines"]) == {"R", "G", "B", "pooled"}
    assert facts["lines"]["pooled"]["slope_dn"] == pytest.approx(0.5, rel=0.05)
    assert facts["lines"]["G"]["shot_error"] > 0


def test_raw_files_bring_their_own_levels(tmp_path, capsys):
    scene = np.random.default_rng(0).uniform(0, 3000, (160, 200))
    files = [tmp_path / f"frame{i}.npy" for i in range(4)]
    for file, frame in zip(files, SENSOR.frames(scene, 4), strict=True):
        np.save(file, frame)
        file.with_suffix(".npy.yaml").write_text("cfa: GBRG\nbits: 12\nblack: 64\n")
    calibrate("--burst", *files, "--json")
    facts = json.loads(capsys.readouterr().out)
    assert facts["span_dn"] == SENSOR.span_dn
    assert facts["lines"]["pooled"]["slope_dn"] == pytest.approx(0.5, rel=0.05)
    files[2].with_suffix(".npy.yaml").write_text("cfa: RGGB\nbits: 12\nblack: 64\n")
    with pytest.raises(InputError, match=r"frame2\.npy differs"):
        calibrate("--burst", *files)


def test_a_second_iso_joins_the_file_and_another_camera_is_refused(burst, tmp_path):
    out = tmp_path / "camera.yaml"
    common = ("--burst", burst, "--cfa", "BGGR", "--black", 64, "--white", 4095, "-o", out)
    calibrate(*common, "--model", "Sim", "--iso", 400)
    calibrate(*common, "--model", "Sim", "--iso", 100, "--colours", "pooled")
    calibration = load_calibration(out)
    assert [entry.iso for entry in calibration.entries] == [100, 400]
    assert len(set(calibration.entries[0].shot)) == 1
    assert len(set(calibration.entries[1].shot)) == 3
    with pytest.raises(ConfigError, match="Sim"):
        calibrate(*common, "--model", "Other", "--iso", 100)
    assert load_calibration(out) == calibration


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        ([], ConfigError, "--flats with --darks"),
        (["--flats", "{flat}", "{flat}"], ConfigError, "--flats with --darks"),
        (["--burst", "{burst}"], ConfigError, "--white"),
        (["--burst", "{burst}", "--white", "4095"], ConfigError, "--black"),
        (["--burst", "{burst}", "--white", "4095", "--black", "5000"], ConfigError, "white above black"),
        (["--burst", "{flat}", "--white", "4095", "--black", "64"], InputError, "one frame"),
        (["--burst", "{flat}", "{burst}", "--white", "4095", "--black", "64"], InputError, "npz"),
        (["--burst", "{none}", "{none}", "--white", "4095", "--black", "64"], InputError, "not a file"),
        (
            ["--flats", "{flat}", "{flat}", "{flat}", "--darks", "{flat}", "{flat}", "--white", "4095"],
            ConfigError,
            "3 frames",
        ),
        (["--burst", "{burst}", "--white", "4095", "--black", "64", "-o", "x.yaml"], ConfigError, "--model"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(words, error, says, pictures, burst):
    names = {"flat": pictures[0][0], "burst": burst, "none": burst.with_name("none.png")}
    with pytest.raises(error, match=says) as caught:
        calibrate(*(word.format(**names) for word in words))
    assert "\n" not in str(caught.value)


def test_an_npz_of_something_else_is_refused(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, weights=np.zeros(3))
    with pytest.raises(InputError, match="weights"):
        calibrate("--burst", path, "--black", 0, "--white", 1)
    path.write_bytes(b"not a zip")
    with pytest.raises(InputError, match=r"other\.npz"):
        calibrate("--burst", path, "--black", 0, "--white", 1)


def test_the_plot_shows_every_colour_and_nothing_outside_its_frame():
    scene = np.random.default_rng(0).uniform(0, 3000, (160, 200))
    frames = ((SENSOR.frames(scene, 4) - 64.0) / SENSOR.span_dn).astype(np.float32)
    noise = from_static_bursts([Stack(frames, Cfa.RGGB, 64, SENSOR.span_dn)], [])
    picture = draw_fit(noise.lines, noise.span_dn, "a camera")
    for colour in "RGB":
        assert (np.abs(picture.astype(int) - COLOURS[colour]).max(2) < 12).sum() > 100
    assert (picture[:, -20:] == 255).all()


def test_calibrating_does_not_load_torch():
    code = "import sys, denoiser.cli_calibrate, denoiser.calibration.camera_noise, denoiser.calibration.plot; "
    done = subprocess.run([sys.executable, "-c", code + "sys.exit('torch' in sys.modules)"], check=False)
    assert done.returncode == 0
