from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from isp.cli.console import Progress, about, has_colour, os_error_text, set_up_logging
from isp.cli.main import main

SAMPLE = Path(__file__).parents[3] / "isp/sample/sample.dng"
FAST = ("--without", "denoise", "--set", "demosaic.method=half")


@pytest.fixture(autouse=True)
def _restore_logging() -> object:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    folder = tmp_path / "captures"
    folder.mkdir()
    for name in ("a.dng", "c.dng"):
        shutil.copy(SAMPLE, folder / name)
    (folder / "b.dng").write_text("this is no capture")
    return folder


def isp(*arguments: str | Path) -> int:
    return main([str(argument) for argument in arguments])


def test_run_reports_on_stdout_and_nothing_else_there(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert isp("run", SAMPLE, "-o", tmp_path / "out.jpg", *FAST) == 0
    out, err = capfd.readouterr()
    assert out.startswith(f"{SAMPLE} -> {tmp_path / 'out.jpg'}  600 x 400  ")
    assert out.count("\n") == 1
    assert err == ""


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_capture_that_fails_is_skipped_and_told(
    captures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], jobs: str
) -> None:
    assert isp("run", captures, "-o", tmp_path / "out", "-j", jobs, *FAST) == 3
    out, err = capfd.readouterr()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]
    assert out.count(" -> ") == 2
    assert f"error: {captures / 'b.dng'}" in err
    assert "1 of 3 captures failed" in err
    assert "Traceback" not in err


def test_exit_code_is_the_first_failure_s(captures: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert isp("run", captures, "-o", tmp_path, *FAST) == 2, "a.dng's target exists, before b.dng cannot be read"


def test_a_fault_of_the_program_does_not_stop_the_batch(
    captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from isp.cli import batch

    develop = batch.develop

    def fails_once(source: Path, *rest: object) -> object:
        if source.name == "a.dng":
            raise ZeroDivisionError("a bug")
        return develop(source, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(batch, "develop", fails_once)
    (captures / "b.dng").unlink()
    assert isp("run", captures, "-o", tmp_path / "out", *FAST) == 1
    assert "ZeroDivisionError: a bug" in capfd.readouterr().err
    assert (tmp_path / "out/c.png").is_file()


def test_json_lists_results_and_failures_in_order(
    captures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert isp("run", captures, "-o", tmp_path / "out", "--json", "--noise", "1e-3,2e-6", *FAST) == 3
    first, second, third = json.loads(capfd.readouterr().out)["results"]
    assert first["noise"] == {"shot": [1e-3] * 3, "read": [2e-6] * 3, "origin": "user"}
    assert set(first["timings_s"]) >= {"read", "demosaic", "write"}
    assert second["exit_code"] == 3
    assert second["error"]
    assert third["target"].endswith("c.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--noise", "1e-3"), "two numbers S,O"),
        (("--noise", "1e-3,-1"), "two numbers S,O"),
        (("--noise", "nan,1"), "two numbers S,O"),
        (("--set", "demosaic.method=rcd"), "'malvar'"),
        (("--pipeline", "nowhere.yaml"), "no pipeline 'nowhere.yaml'"),
        (("--stop-after", "demosiac"), "did you mean 'demosaic'"),
        (("--without", "sharpen"), "no stage 'sharpen'"),
        (("--jobs", "-1"), "--jobs -1"),
        (("--bits", "16", "-o", "x.jpg"), "8 bits for JPEG"),
        (("--width", "640"), "--cfa is missing"),
        (("--cfa", "RGGB", "--bits-per-pixel", "99"), "--bits-per-pixel 99; expected less than or equal to 16"),
        (("--cfa", "RGGB", "--bits-per-pixel", "8", "--black", "a"), "--black 'a'"),
        (("--calibration", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_usage_errors_are_one_line_and_code_2(
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert isp("run", SAMPLE, *arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("suffix", "dtype"), [(".png", np.uint8), (".tiff", np.uint16)])
def test_bits_follow_the_format(suffix: str, dtype: type, tmp_path: Path) -> None:
    import cv2

    assert isp("run", SAMPLE, "-o", tmp_path / f"x{suffix}", *FAST) == 0
    assert cv2.imread(str(tmp_path / f"x{suffix}"), cv2.IMREAD_UNCHANGED).dtype == dtype


def test_bits_can_be_chosen(tmp_path: Path) -> None:
    import cv2

    assert isp("run", SAMPLE, "-o", tmp_path / "x.png", "--bits", "16", *FAST) == 0
    assert cv2.imread(str(tmp_path / "x.png"), cv2.IMREAD_UNCHANGED).dtype == np.uint16


def test_dump_by_options(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mosaic = np.random.default_rng(0).integers(100, 1000, (48, 64)).astype("<u2")
    (tmp_path / "d.raw").write_bytes(b"head" + mosaic.tobytes())
    size = ("--width", "64", "--height", "48", "--cfa", "GBRG", "--bits-per-pixel", "10", "--packing", "u16le")
    levels = ("--black", "64,65,66,67", "--white", "1000", "--offset", "4", "--noise", "1e-3,1e-6")
    assert isp("info", tmp_path / "d.raw", "--json", *size, *levels) == 0
    (capture,) = json.loads(capfd.readouterr().out)["captures"]
    assert capture["capture"]["size"] == [64, 48]
    assert capture["capture"]["cfa"] == "GBRG"
    assert capture["levels"]["black"] == [64, 65, 66, 67]
    assert capture["levels"]["found"] == [int(mosaic.min()), int(mosaic.max())]


def test_info_tells_the_noise_and_where_it_came_from(capfd: pytest.CaptureFixture[str]) -> None:
    assert isp("info", SAMPLE) == 0
    out = capfd.readouterr().out
    assert "the file's NoiseProfile tag" in out
    assert "4.000e-03" in out
    assert isp("info", SAMPLE, "--noise", "1e-3,0") == 0
    assert "given by the user" in capfd.readouterr().out


def test_info_estimates_noise_where_nothing_else_tells_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace

    from isp import readers

    read = readers.read
    monkeypatch.setattr(readers, "read", lambda path, dump=None: replace(read(path, dump), noise=None))
    assert isp("info", SAMPLE, "--json") == 0
    noise = json.loads(capfd.readouterr().out)["captures"][0]["noise"]
    assert noise["origin"] == "estimate"
    assert 2e-3 < noise["shot"][0] < 8e-3


def test_info_goes_on_after_a_bad_file(captures: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert isp("info", captures) == 3
    out, err = capfd.readouterr()
    assert out.count("Noise model") == 2
    assert "b.dng" in err


def test_stages_tell_domains_ranges_and_origin(capfd: pytest.CaptureFixture[str]) -> None:
    assert isp("stages", "exposure", "demosaic") == 0
    out = capfd.readouterr().out
    assert "scene_rgb" in out
    assert "linear_mosaic -> linear_rgb" in out
    assert "ev: float, -10 to 10; default 0.0" in out
    assert "half | bilinear | malvar | menon; default malvar" in out
    assert "origin  fan-isp " in out


def test_stages_as_json(capfd: pytest.CaptureFixture[str]) -> None:
    assert isp("stages", "--json") == 0
    stages = {item["name"]: item for item in json.loads(capfd.readouterr().out)["stages"]}
    assert stages["denoise"]["needs_noise"] is True
    assert stages["demosaic"]["transitions"] == {"linear_mosaic": "linear_rgb"}
    assert stages["exposure"]["parameters"]["ev"]["maximum"] == 10


@pytest.mark.parametrize("command", ["run", "compare"])
def test_a_folder_that_cannot_be_made_is_named(command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / "file" / ("x.png" if command == "run" else "x.html")
    assert isp(command, SAMPLE, "-o", target, "--set", "demosaic.method=half", "--set", "denoise.strength=0") == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert f"folder {tmp_path / 'file'} cannot be made: " in err
    assert err.count("\n") == 1


def test_output_in_an_encoding_without_our_signs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "isp", "info", SAMPLE],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "DN/e?" in done.stdout


def test_unknown_stage_is_named_with_the_nearest(capfd: pytest.CaptureFixture[str]) -> None:
    assert isp("stages", "tonemap") == 2
    assert "did you mean 'tone_map'" in capfd.readouterr().err


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_interrupt_leaves_nothing_half_written(tmp_path: Path, jobs: str) -> None:
    folder = tmp_path / "captures"
    folder.mkdir()
    for number in range(12):
        shutil.copy(SAMPLE, folder / f"{number:02}.dng")
    command = [sys.executable, "-m", "isp", "run", str(folder), "-o", str(tmp_path / "out/"), "-j", jobs, *FAST[:2]]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert running.stdout is not None
    running.stdout.readline()
    time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "error: interrupted"
    left = list((tmp_path / "out").iterdir())
    assert len(left) < 12
    assert all(path.suffix == ".png" and path.read_bytes().endswith(b"IEND\xaeB`\x82") for path in left)


def test_reader_of_stdout_that_stops_early_is_no_error() -> None:
    command = f"'{sys.executable}' -m isp stages | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""


class Terminal:
    """A stream that a person watches."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


def test_bar_is_drawn_for_people_only(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    watched = Terminal()
    with Progress(2, stream=watched) as progress:  # type: ignore[arg-type]
        progress.finish_item("a.dng")
        progress.show("b.dng: demosaic", part=0.5)
    assert "1/2" in watched.text
    assert watched.text.endswith("\r\x1b[2K"), "the bar is taken away at the end"
    with Progress(2) as progress:
        progress.finish_item("a.dng")
        progress.show("b.dng: demosaic", part=0.5)
    assert capsys.readouterr().err == "[1/2] a.dng\n"


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert has_colour(terminal)  # type: ignore[arg-type]
    monkeypatch.setattr(sys, "stderr", terminal)
    set_up_logging(verbose=False)
    logging.getLogger("isp").error("red")
    assert "\x1b[31merror" in terminal.text
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colour(terminal)  # type: ignore[arg-type]


def test_messages_name_their_file_in_full_and_once() -> None:
    path = Path("folder/a.dng")
    assert about(path, "a.dng is empty") == "folder/a.dng is empty"
    assert about(path, "folder/a.dng is empty") == "folder/a.dng is empty"
    assert about(path, "no light") == "folder/a.dng: no light"
    assert os_error_text(OSError(28, "No space left on device")) == "No space left on device"
    assert os_error_text(PermissionError(13, "Permission denied", "x.png")) == "x.png: Permission denied"
