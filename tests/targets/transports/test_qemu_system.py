"""Emulated Cortex-M boards: whole specialists over the link, refusals, faults, resets, and what is left behind."""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from isp.errors import ConfigError
from targets import bundle as bundles
from targets import golden
from targets.agent_build import interface_version, link_machine_agent
from targets.core_features import CoreFeature, needed_features
from targets.descriptions import load
from targets.errors import BoardCrashedError, NoBoardError, UnsupportedCoreError
from targets.golden import GoldenTile
from targets.link.client import Board, BoardRun
from targets.link.messages import BoardStatistics, Hello
from targets.machine_image import build_image
from targets.machines import EMULATOR, INSTALL, Machine, load_machine, machine_names
from targets.toolchain import find_compiler, missing_compiler_message
from targets.transports.qemu_system import ICOUNT_SHIFT, QemuSystem

MOST_ERROR = 1e-5
LARGEST = "middle"
WORKED_TILES = ("smallest", "narrow", LARGEST)
"""Of 16 x 16, 16 x 64 and 128 x 128 pixels."""
MOST_INSTRUCTIONS_PER_MAC = {"mps2-an386": 4.0, "mps2-an500": 2.8, "mps2-an505": 4.0, "mps3-an547": 0.9}
"""Of a whole tile, a tenth to a fifth above what was measured when this was written."""
LONG_FRAME_BYTES = 500
"""Frames of a job's input are longer, all others shorter."""
Bundles = Callable[[str], Path]


@pytest.fixture(scope="session")
def whole_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """Gives a core's bundle of the specialists that are shipped, each compiled once."""
    from compile.cli import main

    folder = tmp_path_factory.mktemp("whole")

    def made(core: str) -> Path:
        if find_compiler(load(core)) is None:
            pytest.skip(missing_compiler_message(load(core)))
        if not (folder / core).exists():
            assert main(["--target", core, "--no-verify", "-o", str(folder / core)]) == 0
        return folder / core

    return made


@pytest.fixture(autouse=True)
def _emulator() -> None:
    if shutil.which(EMULATOR) is None:
        pytest.skip(f"{EMULATOR} is not installed ({INSTALL})")


@contextmanager
def board_on(transport: QemuSystem) -> Iterator[Board]:
    try:
        board = Board(transport)
    except BaseException:
        transport.close()
        raise
    with board:
        yield board


def tiles(bundle: Path) -> dict[str, GoldenTile]:
    return {tile.name: tile for tile in golden.read(bundle / golden.FOLDER)[0].tiles}


def run(board: Board, tile: GoldenTile) -> BoardRun:
    return board.run(0, tile.shot, tile.read, tile.noisy)


def text_of(transport: QemuSystem, until: str, timeout_s: float = 30.0) -> str:
    """What the board prints, up to the end of the line that has `until`."""
    deadline, said = time.monotonic() + timeout_s, ""
    while until not in said or not said.endswith("\n"):
        assert time.monotonic() < deadline, said
        said += transport.read(0.2).decode("ascii", errors="replace")
    return said


@dataclass(frozen=True)
class Worked:
    """What one machine made of golden tiles of its core's bundle, and what it said of itself."""

    machine: Machine
    bundle: Path
    hello: Hello
    stats: BoardStatistics
    console: tuple[str, ...]
    tiles: dict[str, GoldenTile]
    runs: dict[str, BoardRun]


@pytest.fixture(scope="session", params=machine_names())
def worked(request: pytest.FixtureRequest, whole_bundle: Bundles) -> Worked:
    machine = load_machine(request.param)
    bundle = whole_bundle(machine.target)
    known = tiles(bundle)
    with board_on(QemuSystem.start(machine.name, bundle=bundle)) as board:
        runs = {name: run(board, known[name]) for name in WORKED_TILES}
        return Worked(machine, bundle, board.hello, board.stats(), board.link.console, known, runs)


def test_a_whole_specialist_computes_what_the_float_model_does(worked: Worked) -> None:
    errors = {name: float(np.abs(run.output - worked.tiles[name].reference).max()) for name, run in worked.runs.items()}
    assert max(errors.values()) <= MOST_ERROR, errors


def test_the_board_says_what_it_is(worked: Worked) -> None:
    hello, machine, bundle = worked.hello, worked.machine, bundles.read(worked.bundle)
    assert (hello.board, hello.core, hello.abi) == (machine.name, machine.target, interface_version(bundle))
    assert hello.bundle_id == bundle.bundle_id
    assert hello.core_features == machine.core_features
    assert hello.needed_features == needed_features(load(machine.target))
    assert hello.tick_hz == machine.tick_hz
    assert machine.memory.bytes - (1 << 20) < hello.memory_bytes < machine.memory.bytes
    assert f"fan-agent on {machine.name}" in worked.console


def test_it_counts_its_runs_and_memory(worked: Worked) -> None:
    (specialist,) = bundles.read(worked.bundle).manifest.specialists
    for name, run_ in worked.runs.items():
        assert run_.arena_bytes == specialist.arena_bytes(worked.tiles[name].width)
    assert worked.stats.runs == len(WORKED_TILES)
    assert worked.stats.peak_arena_bytes == max(run_.arena_bytes for run_ in worked.runs.values())


def test_instructions_per_multiply_accumulate(worked: Worked) -> None:
    (specialist,) = json.loads((worked.bundle / "manifest.json").read_text())["specialists"]
    macs = specialist["mac_per_raw_pixel"] * worked.tiles[LARGEST].noisy.size
    per_mac = worked.runs[LARGEST].seconds * 1e9 / (1 << ICOUNT_SHIFT) / macs
    most = MOST_INSTRUCTIONS_PER_MAC[worked.machine.name]
    assert most / 2 < per_mac <= most


def test_the_same_work_takes_the_same_time(whole_bundle: Bundles) -> None:
    bundle = whole_bundle("cortex-m7")
    tile = tiles(bundle)["smallest"]
    ticks = []
    for _ in range(2):
        with board_on(QemuSystem.start("mps2-an500", bundle=bundle)) as board:
            ticks.append(run(board, tile).ticks)
    assert ticks[0] == pytest.approx(ticks[1], rel=1e-3)  # interrupts come when they come


def test_a_bundle_for_another_core_is_not_built(whole_bundle: Bundles) -> None:
    bundle = whole_bundle("cortex-m55")
    with pytest.raises(ConfigError, match="cortex-m55; expected one for cortex-m33, the core of mps2-an505"):
        QemuSystem.start("mps2-an505", bundle=bundle)


def test_a_library_that_needs_more_than_the_core_has_is_refused(whole_bundle: Bundles, tmp_path: Path) -> None:
    bundle, machine = whole_bundle("cortex-m55"), load_machine("mps2-an505")
    needed = needed_features(load("cortex-m55"))
    image = link_machine_agent(bundles.read(bundle), machine, needed, tmp_path / "agent.elf")
    with board_on(QemuSystem.boot(machine, image)) as board:
        assert CoreFeature(board.hello.needed_features & ~board.hello.core_features).words == "mve, fpu-double"
        with pytest.raises(UnsupportedCoreError):
            run(board, tiles(bundle)["smallest"])
        assert board.echo(b"still here") == b"still here"


def test_a_fault_in_the_library_is_told_in_the_boards_words(whole_bundle: Bundles, tmp_path: Path) -> None:
    """As above, but the agent believes that the core has everything."""
    bundle, machine = whole_bundle("cortex-m55"), load_machine("mps2-an505")
    image = link_machine_agent(bundles.read(bundle), machine, CoreFeature(0), tmp_path / "agent.elf")
    said = r"FAULT HardFault cfsr=[0-9a-f]{8} .* pc=[0-9a-f]{8}"
    with board_on(QemuSystem.boot(machine, image)) as board, pytest.raises(BoardCrashedError, match=said):
        run(board, tiles(bundle)["smallest"])


CRASHES = {
    "bus": ("*(volatile int *)0xF0000000u = 1;", r"FAULT HardFault cfsr=0000[0-9a-f]2?[0-9a-f]+ .* pc=[0-9a-f]{8}"),
    "illegal": ('__asm__ volatile("udf #1");', r"FAULT HardFault cfsr=0001"),
    "stack": ("deeper(1);", r"FAULT HardFault .* stack overflow"),
}


@pytest.mark.parametrize("name", machine_names())
@pytest.mark.parametrize("kind", CRASHES)
def test_what_a_machine_says_of_a_crash(tmp_path: Path, name: str, kind: str) -> None:
    code, expected = CRASHES[kind]
    (tmp_path / "crash.c").write_text(
        f"""#include "start.h"
int deeper(int depth);
int deeper(int depth)
{{
    volatile int here[64];
    here[depth % 64] = depth;
    return depth == 0 ? 0 : deeper(depth + 1) + here[0];
}}
int main(void) {{ {code} return 0; }}
"""
    )
    machine = load_machine(name)
    image = build_image(machine, [tmp_path / "crash.c"], [], [], tmp_path / "crash.elf")
    transport = QemuSystem.boot(machine, image)
    try:
        assert re.search(expected, text_of(transport, "FAULT"))
    finally:
        transport.close()


def test_a_reset_shows_and_is_got_over(whole_bundle: Bundles) -> None:
    bundle = whole_bundle("cortex-m7")
    tile = tiles(bundle)["smallest"]
    transport = QemuSystem.start("mps2-an500", bundle=bundle)
    with board_on(transport) as board:
        before = run(board, tile)
        first_boot = board.hello.boot_id
        transport.reset_board()
        after = run(board, tile)
        assert board.hello.boot_id != first_boot
        assert board.link.resets == 1
        assert np.array_equal(before.output, after.output)
        assert sum("fan-agent on mps2-an500" in line for line in board.link.console) == 2


def test_a_reset_in_the_middle_of_a_job(whole_bundle: Bundles, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = whole_bundle("cortex-m7")
    tile = tiles(bundle)["short"]
    transport = QemuSystem.start("mps2-an500", bundle=bundle)
    with board_on(transport) as board:
        before = run(board, tile)
        send = transport.write
        long_frames: list[bytes] = []

        def write(data: bytes) -> None:
            send(data)
            if len(data) > LONG_FRAME_BYTES:
                long_frames.append(data)
                if len(long_frames) == 2:
                    transport.reset_board()

        monkeypatch.setattr(transport, "write", write)
        after = run(board, tile)
        assert board.link.resets == 1
        assert len(long_frames) > tile.noisy.nbytes // 1024
        assert np.array_equal(before.output, after.output)


def emulators() -> set[int]:
    """Processes of this one that are emulators."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, parent = re.fullmatch(r"\d+ \((.*)\) \S (\d+) .*", status.read_text().strip()).groups()  # type: ignore[union-attr]
            if int(parent) == os.getpid() and name.startswith("qemu-system"):
                found.add(int(status.parent.name))
    return found


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """One that does nothing."""
    (tmp_path / "main.c").write_text('#include "start.h"\nint main(void) { return 0; }\n')
    return build_image(load_machine("mps2-an386"), [tmp_path / "main.c"], [], [], tmp_path / "idle.elf")


@pytest.mark.parametrize("how", ["closed", "closed twice", "forgotten"])
def test_nothing_is_left_behind(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    before, files_before = emulators(), open_files()
    transport: QemuSystem | None = QemuSystem.boot(load_machine("mps2-an386"), image)
    assert transport is not None
    assert len(emulators() - before) == 1
    if how == "forgotten":
        transport = None
        gc.collect()
    else:
        transport.close()
        if how == "closed twice":
            transport.close()
    assert emulators() == before
    assert list((tmp_path / "tmp").iterdir()) == []
    assert open_files() == files_before


def test_a_bundle_that_cannot_be_built_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with pytest.raises(ConfigError, match="no such folder"):
        QemuSystem.start("mps2-an386", bundle=tmp_path / "none")
    assert list((tmp_path / "tmp").iterdir()) == []


def fake_emulator(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    folder.mkdir()
    (folder / EMULATOR).write_text(f"#!/bin/sh\n{body}\n")
    (folder / EMULATOR).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_an_emulator_that_dies_is_quoted(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_emulator(tmp_path / "bin", monkeypatch, "echo 'unsupported machine type' >&2; exit 3")
    transport = QemuSystem.boot(load_machine("mps2-an386"), image)
    try:
        with pytest.raises(BoardCrashedError, match="qemu:mps2-an386 ended with status 3: unsupported machine type"):
            text_of(transport, "never")
    finally:
        transport.close()


def test_without_the_emulator(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    remedy = "apt-get install --no-install-recommends qemu-system-arm"
    with pytest.raises(NoBoardError, match=remedy):
        QemuSystem.start("mps2-an386", bundle=tmp_path)
    with pytest.raises(NoBoardError, match=remedy):
        QemuSystem.boot(load_machine("mps2-an386"), image)


def test_a_machine_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match="no machine is named 'mps2-an385'; did you mean 'mps2-an386'"):
        QemuSystem.start("mps2-an385", bundle=Path("build/cortex-m4"))
