"""`python -m targets list`."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from targets.__main__ import main
from targets.bundle import read
from targets.descriptions import load, names
from targets.machines import machine_names
from targets.transports.discovery import AttachedPort
from tests.targets.fake_boards import hello_of, make_bundle


def put_program(folder: Path, name: str) -> None:
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)


def parts(text: str) -> list[list[str]]:
    """The list's three parts: targets, boards that are attached, boards that can be emulated."""
    return [part.splitlines() for part in text.rstrip().split("\n\n")]


@pytest.fixture(autouse=True)
def _no_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is attached to the machine that tests."""
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [])


def test_lists_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    (head, *rows), _, _ = parts(capsys.readouterr().out)
    assert head.split() == ["name", "core", "precisions", "system", "emulator", "boards"]
    for name, row in zip(names(), rows, strict=True):
        target = load(name)
        assert row.split()[:2] == [name, target.cpu]
        assert ", ".join(target.lanes) in row
        assert f" {target.operating_system} " in row
        assert row.endswith(", ".join(target.boards) or "-")


def test_tells_whether_the_emulator_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    main(["list"])
    listed, _, emulated = parts(capsys.readouterr().out)
    assert "\n".join(listed).count("qemu-aarch64 not found (Debian: qemu-user)") == 5
    assert "\n".join(emulated).count("qemu-aarch64 not found") == 3
    put_program(tmp_path, "qemu-aarch64")
    main(["list"])
    listed, _, emulated = parts(capsys.readouterr().out)
    assert "\n".join(listed).count("qemu-aarch64 found") == 5
    assert "\n".join(emulated).count("qemu-aarch64 found") == 3


def test_json_tells_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    put_program(tmp_path, "qemu-aarch64")
    put_program(tmp_path, "arm-none-eabi-gcc")
    assert main(["list", "--json"]) == 0
    told = {target["name"]: target for target in json.loads(capsys.readouterr().out)["targets"]}
    assert tuple(told) == names()
    a55 = told["cortex-a55"]
    assert a55["lanes"] == {"float32": 4, "float16": 8}
    assert a55["thresholds"]["float16"] == {"max_error": 0.02, "quality_loss_db": 0.01}
    assert a55["emulator"]["cpu"] == "cortex-a76"
    assert a55["emulator_found"] == str(tmp_path / "qemu-aarch64")
    assert a55["compiler_found"] is None
    assert told["cortex-m55"]["emulator_found"] is None
    assert told["cortex-m55"]["compiler_found"] == str(tmp_path / "arm-none-eabi-gcc")


def test_boards_that_can_be_emulated_and_what_that_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    put_program(tmp_path, "qemu-system-arm")
    put_program(tmp_path, "aarch64-linux-gnu-gcc")
    assert main(["list", "--json"]) == 0
    boards = {board["url"]: board for board in json.loads(capsys.readouterr().out)["boards"]["emulated"]}
    machines = {f"qemu:{name}" for name in machine_names()}
    assert set(boards) == {"user:host", "user:cortex-a53", "user:cortex-a72", "user:cortex-a76"} | machines
    assert boards["user:cortex-a53"]["targets"] == ["arm64", "cortex-a53"]
    a76, m55 = boards["user:cortex-a76"], boards["qemu:mps3-an547"]
    assert (a76["compiler_found"], a76["emulator_found"]) == (str(tmp_path / "aarch64-linux-gnu-gcc"), None)
    assert (m55["compiler_found"], m55["emulator_found"]) == (None, str(tmp_path / "qemu-system-arm"))
    assert not any(board["ready"] for board in boards.values())
    put_program(tmp_path, "qemu-aarch64")
    main(["list", "--json"])
    boards = {board["url"]: board for board in json.loads(capsys.readouterr().out)["boards"]["emulated"]}
    assert [url for url, board in boards.items() if board["ready"]] == [
        "user:cortex-a53", "user:cortex-a72", "user:cortex-a76",
    ]  # fmt: skip


def test_boards_that_are_attached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hello = hello_of(read(make_bundle(tmp_path / "bundle")))
    ports = (
        AttachedPort("/dev/ttyACM0", "ST-LINK/V3", hello),
        AttachedPort("/dev/ttyUSB1", "CP210x", None, "no agent answers"),
    )
    monkeypatch.setattr("targets.transports.discovery.attached_ports", lambda: ports)
    main(["list"])
    _, (head, one, other), _ = parts(capsys.readouterr().out)
    assert head.split() == ["attached", "adapter", "board", "core", "bundle"]
    assert one.split() == ["/dev/ttyACM0", "ST-LINK/V3", "fake", "board", "cortex-a0", hello.bundle_id.hex()[:12]]
    assert other.split()[:2] == ["/dev/ttyUSB1", "CP210x"]
    assert other.endswith("no agent answers")
    main(["list", "--json"])
    told = json.loads(capsys.readouterr().out)["boards"]["attached"]
    assert told[0]["board"] == {"board": "fake board", "core": "cortex-a0", "bundle_id": hello.bundle_id.hex()}
    assert told[1] == {"url": "/dev/ttyUSB1", "adapter": "CP210x", "board": None, "trouble": "no agent answers"}


def test_an_unknown_machine_still_lists_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert main(["list", "--json"]) == 0
    told = [target["name"] for target in json.loads(capsys.readouterr().out)["targets"]]
    assert told == [name for name in names() if name != "host"]
    assert "left out: target 'host': this machine is riscv64" in caplog.text


def test_a_command_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize("command", [(), ("list",)])
def test_help_imports_nothing_slow(command: tuple[str, ...]) -> None:
    code = (
        "import sys\nfrom targets.__main__ import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "sys.exit(','.join({'pydantic', 'yaml', 'numpy', 'serial', 'torch', 'tvm'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command, "--help"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, f"imported: {done.stderr}"
    assert "usage: python -m targets" in done.stdout


def test_listing_needs_neither_the_denoiser_nor_the_compiler() -> None:
    code = (
        "import sys\nfrom targets.__main__ import main\nmain(['list'])\n"
        "sys.exit(','.join({'denoiser', 'compile', 'cv2', 'torch', 'tvm'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"imported: {done.stderr}"


def test_help_answers_at_once() -> None:
    def once() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "targets", "--help"], capture_output=True, timeout=30, check=True)
        return time.perf_counter() - began

    assert min(once() for _ in range(4)) < 0.5
