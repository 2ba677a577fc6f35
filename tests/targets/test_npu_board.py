"""An NPU's bundle from end to end: host, serial line, firmware on an emulated Cortex-M55, the driver's interface, a
simulated NPU on the same memory, and back.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from compile.ethos_u.npu_device import command
from denoiser import weights_file
from targets import machines
from targets.__main__ import main
from targets.descriptions import load
from targets.errors import BoardMemoryError
from targets.golden import FOLDER
from targets.golden import read as read_golden
from targets.link.client import Board
from targets.machines import EMULATOR, INSTALL, Region, load_machine
from targets.npu_bundle import read
from targets.toolchain import find_compiler, missing_compiler_message
from tests.compile.small_networks import TINIEST, random_network

TARGET, MACHINE = "ethos-u55-256", "mps3-an547"
URL = f"qemu:{MACHINE}"
SIDE_PX = 80

if shutil.which(EMULATOR) is None:
    pytest.skip(f"{EMULATOR} is not installed ({INSTALL})", allow_module_level=True)
if find_compiler(load(TARGET)) is None:
    pytest.skip(missing_compiler_message(load(TARGET)), allow_module_level=True)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from compile.cli import main as compile_main

    folder = tmp_path_factory.mktemp("npu")
    weights = folder / "tiny.safetensors"
    weights_file.save(weights, random_network(TINIEST), "tiny", (5e-5, 2e-2))
    arguments = ["--target", TARGET, "--model", str(weights), "--tile", str(SIDE_PX), "--no-verify"]
    assert compile_main([*arguments, "-o", str(folder / TARGET)]) == 0
    return folder / TARGET


def validated(bundle: Path, *options: str) -> int:
    return main(["validate", str(bundle), "--board", URL, *options])


def replace_device(monkeypatch: pytest.MonkeyPatch, device: Callable[[str, Path, Path, int], Sequence[str]]) -> None:
    monkeypatch.setattr("targets.transports.qemu_system.device_command", lambda _npu: device)


def test_every_integer_is_what_the_bundle_holds(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()  # what compiling it said
    tiles = ["low", "extremes"]
    assert validated(bundle, "--json", "-o", str(tmp_path / "page.html"), "--tiles", ",".join(tiles)) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["passes"] is True
    assert [one["tile"] for one in told["tiles"]] == tiles
    assert [one["npu_values_that_differ"] for one in told["tiles"]] == [0, 0]
    assert [one["npu_values"] for one in told["tiles"]] == [4 * (SIDE_PX // 2) ** 2] * 2
    assert all(one["border_steps"] <= 2 for one in told["tiles"])
    specialist = read(bundle).manifest.specialists[0]
    assert told["peak_arena_bytes"] == specialist.arena_bytes(SIDE_PX)
    assert (told["board"]["core"], told["threshold"]) == (TARGET, None)
    page = (tmp_path / "page.html").read_text()
    assert page.count("<td>equal</td>") == 2


def test_one_bit_is_found_and_its_tile_is_named(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    offset = manifest["specialists"][0]["output"]["offset"]

    def flipping(accelerator: str, uart: Path, memory: Path, start: int) -> list[str]:
        arguments = [str(offset), accelerator, str(uart), str(memory), hex(start)]
        return [sys.executable, str(Path(__file__).with_name("flipping_npu.py")), *arguments]

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    replace_device(monkeypatch, flipping)
    assert validated(bundle, "--tiles", "low") == 1
    output = capsys.readouterr()
    assert "tiny, tile low: the NPU answers 1 of 6400 integers otherwise than it must" in output.out
    assert "the first at [0, 0, 0, 0]: " in output.out
    assert "1 of 1 golden tiles fail" in output.err


def test_what_the_driver_reports_is_quoted(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The board has another NPU than the bundle is for."""

    def other(_accelerator: str, uart: Path, memory: Path, start: int) -> list[str]:
        return command("ethos-u55-128", uart, memory, start)

    replace_device(monkeypatch, other)
    assert validated(bundle, "--tiles", "low") == 6
    said = capsys.readouterr().err
    assert "tiny, tile low of 80 x 80 px: mps3-an547: the NPU's driver reports an error: ethos-u55-128: " in said
    assert "a payload for ethos-u55-256; expected ethos-u55-128" in said


def test_an_npu_that_dies_ends_the_wait(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def dying(*_: object) -> list[str]:
        return [sys.executable, "-c", "import sys; sys.exit('out of order')"]

    replace_device(monkeypatch, dying)
    assert validated(bundle, "--tiles", "low") == 6
    assert "what stands in for ethos-u55-256 ended: out of order" in capsys.readouterr().err


def test_too_little_memory_is_refused_by_host_and_board(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = read(bundle)
    specialist = made.manifest.specialists[0]
    machine = load_machine(MACHINE)
    # Weights and payload take some of it.
    small = replace(machine, memory=Region(machine.memory.start, specialist.memory_bytes(SIDE_PX, SIDE_PX) // 64 * 64))
    monkeypatch.setattr(machines, "_machines", lambda: {MACHINE: small})
    assert validated(bundle, "--tiles", "low") == 6
    assert "bytes for input, output and arena; tiny needs 195,200 for the tile low" in capsys.readouterr().err
    tile = read_golden(bundle / FOLDER)[0].tiles[0]
    with Board.open(URL, bundle=bundle) as board, pytest.raises(BoardMemoryError):
        board.run(0, tile.shot, tile.read, tile.noisy)


def test_what_an_integrator_gets_lacks_the_driver_alone(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    assert main(["agent", "--target", TARGET, "--bundle", str(bundle), "--sources", str(folder)]) == 0
    names = {path.name for path in folder.iterdir()}
    assert {"fan_work_npu.c", "fan_npu.c", "fan_npu_model.c", "fan_npu.h", "fan_port.c", "fan_bundle.c"} <= names
    assert names.isdisjoint({"ethosu_driver.h", "npu_device.c", "fan_work_core.c", "libfan.a"})


def test_boards_without_an_npu_are_refused(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(bundle), "--board", "qemu:mps2-an500"]) == 2
    assert "a bundle for ethos-u55-256, which mps2-an500 has not; expected mps3-an547" in capsys.readouterr().err
    assert main(["validate", str(bundle), "--board", "user:host"]) == 2
    assert "ethos-u55-256 has no operating system; expected a machine: mps3-an547" in capsys.readouterr().err
