"""Building agents: for Linux, for machines, as sources for one's own firmware, and what is said when that cannot be."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from isp.errors import ConfigError, InputError
from targets import agent_build, toolchain
from targets import bundle as bundles
from targets.agent_build import build_agent, bundle_source, interface_version, write_agent_sources
from targets.core_features import CoreFeature
from targets.descriptions import load
from targets.errors import UnsupportedCoreError
from targets.golden import FOLDER
from targets.golden import read as read_golden
from targets.link.client import Board
from targets.machine_image import c_text
from targets.machines import load_machine
from targets.toolchain import ToolchainError, find_compiler, required_compiler

HOOKS = Path(__file__).resolve().parents[2] / "firmware_hooks"
MakeTiny = Callable[[str], Path]


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def changed(bundle: Path, folder: Path, **manifest: object) -> Path:
    """A copy of a bundle whose manifest says something else."""
    shutil.copytree(bundle, folder)
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | manifest))
    return folder


@pytest.mark.parametrize("target", ["host", "arm64"])
def test_a_program_that_needs_nothing_else(tiny_bundle_for: MakeTiny, tmp_path: Path, target: str) -> None:
    bundle, output = tiny_bundle_for(target), tmp_path / "new" / "fan-agent"
    assert build_agent(bundle, output) == output
    assert left_behind(tmp_path) == ["fan-agent", "new"]
    headers = subprocess.run(["readelf", "-lW", output], capture_output=True, text=True, check=True).stdout
    assert "INTERP" not in headers
    assert "LOAD" in headers


def test_the_program_carries_the_bundle(tiny_bundle: Path) -> None:
    with Board.open("user:host", bundle=tiny_bundle) as board:
        assert board.hello.bundle_id == bundles.read(tiny_bundle).bundle_id
        assert (board.hello.core, board.hello.abi) == ("host", interface_version(bundles.read(tiny_bundle)))
        compiler = find_compiler(load("host"))
        assert compiler is not None
        assert board.hello.build == compiler.version
        (specialist,) = bundles.read(tiny_bundle).manifest.specialists
        told = board.describe(0)
        assert (told.name, told.weights_sha256.hex()) == (specialist.name, specialist.sha256)


def test_the_agent_runs_where_the_library_does_not(tiny_bundle_for: MakeTiny) -> None:
    """All but the library is for the least core, so that it can say what is wrong."""
    bundle = tiny_bundle_for("cortex-a76")
    if toolchain.run_prefix(load("cortex-a53")) is None:
        pytest.skip("qemu-aarch64 is not installed")
    with Board.open("user:cortex-a53", bundle=bundle) as board:
        assert board.hello.needed_features & ~board.hello.core_features == CoreFeature.FP16 | CoreFeature.DOT_PRODUCT
        tile = read_golden(bundle / FOLDER)[0].tiles[0]
        with pytest.raises(UnsupportedCoreError):
            board.run(0, tile.shot, tile.read, tile.noisy)


def test_an_image_for_a_machine(tiny_bundle_for: MakeTiny, tmp_path: Path) -> None:
    output = build_agent(tiny_bundle_for("cortex-m7"), tmp_path / "agent.elf", load_machine("mps2-an500"))
    assert left_behind(tmp_path) == ["agent.elf"]
    sections = subprocess.run(["readelf", "-SW", output], capture_output=True, text=True, check=True).stdout
    places = {line.split()[-10]: int(line.split()[-8], 16) for line in sections.splitlines() if "PROGBITS" in line}
    assert (places[".text"], places[".weights"]) == (0x00000000, 0x60000000)


def test_an_image_that_does_not_fit(tiny_bundle_for: MakeTiny, tmp_path: Path) -> None:
    machine = load_machine("mps2-an500")
    small = replace(machine, code=replace(machine.code, bytes=4096))
    with pytest.raises(ToolchainError, match="region `CODE' overflowed"):
        build_agent(tiny_bundle_for("cortex-m7"), tmp_path / "agent.elf", small)
    assert left_behind(tmp_path) == []


def test_sources_for_a_firmware_of_ones_own(tiny_bundle_for: MakeTiny, tmp_path: Path) -> None:
    bundle = tiny_bundle_for("cortex-m7")
    (tmp_path / "empty").mkdir()
    folder = write_agent_sources(bundle, tmp_path / "empty")
    copied = {path.name for path in [*(HOOKS / "link").glob("*.[ch]"), *(bundle / "include").iterdir()]}
    assert {"fan_agent.c", "fan_agent.h", "fan.h"} <= copied
    assert set(left_behind(folder)) == copied | {"fan_bundle.c", "fan_port.c", "fan_work_core.c", "libfan.a"}
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    compiler = required_compiler(load("cortex-m7"))
    sources = [path for path in folder.glob("*.c") if path.name != "fan_port.c"]
    compiler.compile_objects(sources, [folder], tmp_path / "objects")
    assert (folder / "libfan.a").read_bytes() == (bundle / "lib" / "libfan.a").read_bytes()


def test_sources_replace_nothing(tiny_bundle_for: MakeTiny, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="exists already; expected a folder to be made"):
        write_agent_sources(tiny_bundle_for("cortex-m7"), tmp_path)
    assert left_behind(tmp_path) == ["mine.txt"]


def test_what_the_source_of_a_bundle_says(tiny_bundle: Path) -> None:
    made = bundles.read(tiny_bundle)
    source = bundle_source(made, 'a "board"', "core", CoreFeature.FPU | CoreFeature.MVE, "cc 1.0\\x")
    assert '.board = "a \\042board\\042",' in source
    assert '.build = "cc 1.0\\134x",' in source
    assert ".needed_features = 24u," in source
    assert ", ".join(f"{byte:#04x}" for byte in made.bundle_id) in source


def test_text_in_c(tmp_path: Path) -> None:
    """What a compiler makes of it, trigraphs and digits after an escape included."""
    text = 'µ "quoted" \\ ??/ \t5 é7'
    (tmp_path / "text.c").write_text(
        f"#include <stdio.h>\nint main(void) {{ return fputs({c_text(text)}, stdout) < 0; }}\n"
    )
    compiler = required_compiler(load("host"))
    compiler.link_program(compiler.compile_objects([tmp_path / "text.c"], [], tmp_path), tmp_path / "text")
    assert subprocess.run([tmp_path / "text"], capture_output=True, check=True).stdout.decode() == text


def test_a_core_without_an_operating_system_needs_a_machine(tiny_bundle_for: MakeTiny, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"m7 has no operating system; expected a machine: mps2-an500; .*--sources"):
        build_agent(tiny_bundle_for("cortex-m7"), tmp_path / "agent")


@pytest.mark.parametrize(("target", "machine"), [("cortex-m7", "mps2-an505"), ("host", "mps3-an547")])
def test_a_bundle_for_another_core(tiny_bundle_for: MakeTiny, tmp_path: Path, target: str, machine: str) -> None:
    core = load_machine(machine).target
    said = f"a bundle for {target}; expected one for {core}, the core of {machine}; python -m compile --target {core}"
    with pytest.raises(ConfigError, match=said):
        build_agent(tiny_bundle_for(target), tmp_path / "agent", load_machine(machine))


def test_a_bundle_for_another_target_than_named(tiny_bundle: Path, tmp_path: Path) -> None:
    for build in (build_agent, write_agent_sources):
        with pytest.raises(ConfigError, match="a bundle for host; expected one for arm64"):
            build(tiny_bundle, tmp_path / "agent", target=load("arm64"))  # type: ignore[operator]


def test_a_bundle_of_another_interface(tiny_bundle: Path, tmp_path: Path) -> None:
    old = changed(tiny_bundle, tmp_path / "old", abi=1)
    for build in (build_agent, write_agent_sources):
        with pytest.raises(ConfigError, match=r"version 1 of the library's interface; expected version 2, .* anew"):
            build(old, tmp_path / "agent")  # type: ignore[operator]


def test_the_interface_is_that_of_the_header(tiny_bundle: Path) -> None:
    bundle = bundles.read(tiny_bundle)
    assert f"#define FAN_ABI_VERSION {interface_version(bundle)}u" in (HOOKS / "include" / "fan.h").read_text()
    assert bundle.manifest.abi == interface_version(bundle)


def test_a_target_that_is_the_users_own_has_to_be_given(tiny_bundle: Path, tmp_path: Path) -> None:
    own = changed(tiny_bundle, tmp_path / "own", target="my-board")
    with pytest.raises(ConfigError, match="no target is named 'my-board'"):
        build_agent(own, tmp_path / "agent")
    assert build_agent(own, tmp_path / "agent", target=replace(load("host"), name="my-board")).exists()


def test_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        build_agent(tmp_path / "none", tmp_path / "agent")
    with pytest.raises(InputError, match="manifest"):
        build_agent(tmp_path, tmp_path / "agent")


@pytest.mark.parametrize(("target", "machine"), [("cortex-m7", "mps2-an500"), ("host", None)])
def test_without_a_compiler(
    tiny_bundle_for: MakeTiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, machine: str | None
) -> None:
    bundle = tiny_bundle_for(target)
    monkeypatch.setattr(toolchain, "find_compiler", lambda _: None)
    package = "gcc-arm-none-eabi" if machine else "gcc"
    with pytest.raises(ToolchainError, match=f"no C compiler for .* the package {package}\\), or run: pip install zig"):
        build_agent(bundle, tmp_path / "agent", load_machine(machine) if machine else None)
    assert left_behind(tmp_path) == []


def test_nothing_of_the_way_is_left(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(agent_build.tempfile, "tempdir", str(tmp_path / "tmp"))
    build_agent(tiny_bundle, tmp_path / "agent")
    assert left_behind(tmp_path / "tmp") == []
