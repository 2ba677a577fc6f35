"""Other programs open the written DNG; each test runs where its program is installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from isp.cfa import Cfa
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.sample import SAMPLE
from isp.writers.cfa_dng import write_cfa_dng
from tests.isp.writers.dng_case import LEFT_OVER, PREVIEW, chart_dng, frame_of, linear_of


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _rawtherapee(source: Path, target: Path) -> None:
    _run([_program("rawtherapee-cli"), "-Y", "-n", "-b8", "-o", str(target), "-c", str(source)])


def _darktable(source: Path, target: Path) -> None:
    private = ["--configdir", str(target.parent / "configuration"), "--cachedir", str(target.parent / "cache")]
    command = [_program("darktable-cli"), str(source), str(target), "--core", *private, "--library", ":memory:"]
    _run([*command, "--disable-opencl"])


def _picture(path: Path) -> np.ndarray:
    import cv2

    encoded = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert encoded is not None, f"{path.name} was not written"
    return encoded[..., ::-1].astype(np.float64) / 255


@pytest.mark.parametrize("cfa", Cfa)
@pytest.mark.parametrize("develop", [_rawtherapee, _darktable])
def test_gets_the_same_colours_as_the_source(develop: Callable[[Path, Path], None], cfa: Cfa, tmp_path: Path) -> None:
    source, written = tmp_path / "source.dng", tmp_path / "written.dng"
    scene = chart_dng(source, cfa)
    frame = frame_of(source)
    write_cfa_dng(written, frame, linear_of(frame), noise=LEFT_OVER, preview=PREVIEW)
    pictures = []
    for path in (source, written):
        develop(path, path.with_suffix(".png"))
        pictures.append(_picture(path.with_suffix(".png")))
    assert np.abs(pictures[0] - pictures[1]).mean() < 0.003
    # The programs' own looks differ, but every colour must be about its own: correlate with the scene, border aside.
    height, width = pictures[1].shape[:2]
    top, left = (scene.shape[0] - height) // 2, (scene.shape[1] - width) // 2
    expected = np.clip(scene[top : top + height, left : left + width], 0, 1) ** (1 / 2.2)
    for channel in range(3):
        likeness = np.corrcoef(pictures[1][..., channel].ravel(), expected[..., channel].ravel())[0, 1]
        assert likeness > 0.95, f"channel {channel}"


def _validation(path: Path) -> str:
    return _run([_program("exiftool"), "-validate", "-warning", "-error", "-a", str(path)])


def test_exiftool_finds_no_fault_in_the_sample() -> None:
    assert _validation(SAMPLE).split(":")[1].strip() == "OK"


@pytest.mark.parametrize("cfa", Cfa)
def test_exiftool_finds_no_fault_in_a_written_file(cfa: Cfa, tmp_path: Path) -> None:
    written = tmp_path / "written.dng"
    chart_dng(tmp_path / "source.dng", cfa)
    for source in (tmp_path / "source.dng", SAMPLE):
        frame = frame_of(source)
        write_cfa_dng(written, frame, linear_of(frame), noise=LEFT_OVER, preview=PREVIEW)
        assert _validation(written).split(":")[1].strip() == "OK"


@pytest.mark.parametrize(
    "name",
    [
        "Captured_Images__image_0__9ee9ba86.dng",
        "canon550d_magiclantern_colorchart.dng",
        "gopro_Hero6_GOPR0024.dng",
    ],
)
def test_exiftool_finds_no_fault_of_ours_in_a_cameras_file(name: str, shared: Path, tmp_path: Path) -> None:
    source, written = shared / "data" / "raw" / name, tmp_path / "written.dng"
    frame = frame_of(source)
    noise = NoiseModel.uniform(1e-4, 1e-6, NoiseOrigin.USER)
    write_cfa_dng(written, frame, linear_of(frame), noise=noise, preview=PREVIEW)
    inherited = {line for line in _validation(source).splitlines() if line.startswith("Warning")}
    ours = [line for line in _validation(written).splitlines() if line.startswith(("Warning", "Error"))]
    assert set(ours) <= inherited
