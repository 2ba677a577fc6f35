"""Ctrl-C while several processes develop."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from isp.cli import batch
from isp.cli.main import main

SAMPLE = Path(__file__).parents[3] / "isp/sample/sample.dng"


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="tells a process's children by /proc")
def test_interrupt_while_processes_start_is_told_in_one_line(tmp_path: Path) -> None:
    for number in range(4):
        shutil.copy(SAMPLE, tmp_path / f"{number}.dng")
    command = [sys.executable, "-m", "isp", "run", str(tmp_path), "-o", str(tmp_path / "out/"), "--jobs", "2"]
    running = subprocess.Popen(
        [*command, "--without", "denoise"], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    deadline_s = time.monotonic() + 30
    while len(children.read_text().split()) < 3 and time.monotonic() < deadline_s:  # two, and their resource tracker
        time.sleep(0.01)
    time.sleep(0.1)  # they import their libraries now
    os.killpg(running.pid, signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (130, "error: interrupted\n")
    assert not (tmp_path / "out").exists()


def test_several_jobs_are_processes_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        shutil.copy(SAMPLE, tmp_path / f"{number}.dng")

    def develop(*_: object) -> None:
        raise AssertionError("developed in the command's own process")

    monkeypatch.setattr(batch, "develop", develop)
    command = ["run", str(tmp_path), "-o", str(tmp_path / "out/"), "--without", "denoise"]
    assert main([*command, "--jobs", "1"]) == 1
    assert main([*command, "--jobs", "2"]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0.png", "1.png"]


def test_tasks_handed_out_before_an_interrupt_are_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = get_context("spawn").Event()
    monkeypatch.setattr(batch, "_stop", stop, raising=False)
    begun: list[str] = []

    def develop(source: Path, target: Path, settings: object, on_step: batch.OnStep) -> str:
        begun.append(source.name)
        if source.name == "second":
            stop.set()
        on_step("demosaic", 0.5)
        return "developed"

    monkeypatch.setattr(batch, "develop", develop)

    def in_worker(name: str) -> object:
        return batch._develop_in_worker(batch.Task(Path(name), Path("out.png")), None)  # type: ignore[arg-type]

    heeded = signal.getsignal(signal.SIGINT)
    try:
        assert in_worker("first") == "developed"
        with pytest.raises(KeyboardInterrupt):
            in_worker("second")
        with pytest.raises(KeyboardInterrupt):
            in_worker("third")
    finally:
        signal.signal(signal.SIGINT, heeded)
    assert begun == ["first", "second"]
