"""Counting executed basic blocks: exactly, in the same way every time, and with words for what is missing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from compile.cost.block_counts import BlockCount, basic_blocks, count_blocks, difference, plugin
from compile.cost.instruction_set import A64
from targets.toolchain import ToolchainError

# As many turns as there are arguments, the program's own name among them, times 1000.
LOOP = """
.global _start
_start:
    ldr x0, [sp]
    mov x1, #1000
    mul x0, x0, x1
again:
    fmla v0.4s, v1.4s, v2.4s
    subs x0, x0, #1
    b.ne again
    mov x8, #93
    svc #0
"""
NOP, RETURN = bytes.fromhex("1f2003d5"), bytes.fromhex("c0035fd6")


def shape(blocks: tuple[BlockCount, ...]) -> list[tuple[int, int]]:
    return [(block.instructions, block.executions) for block in blocks]


def fake_emulator(folder: Path, version: str, otherwise: str) -> list[str]:
    program = folder / "qemu-fake"
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = --version ]; then echo "qemu-aarch64 version {version}"; exit; fi\n{otherwise}\n'
    )
    program.chmod(0o755)
    return [str(program)]


def test_a_loop_is_counted_exactly(assemble: Callable[..., Path], qemu: list[str], cache: Path) -> None:
    blocks = count_blocks(qemu, assemble(LOOP), [], cache)
    # QEMU saw the first turn as a part of what comes before it: the blocks are those of the program all the same.
    assert shape(blocks) == [(3, 1), (3, 1000), (2, 1)]
    assert sum(block.executed_instructions for block in blocks) == 3 + 3 * 1000 + 2


def test_two_runs_are_equal(assemble: Callable[..., Path], qemu: list[str], cache: Path) -> None:
    program = assemble(LOOP)
    assert count_blocks(qemu, program, ["a"], cache) == count_blocks(qemu, program, ["a"], cache)


def test_the_difference_is_the_repeated_part_alone(assemble: Callable[..., Path], qemu: list[str], cache: Path) -> None:
    program = assemble(LOOP)
    fewer, more = (count_blocks(qemu, program, ["more"] * number, cache) for number in (1, 3))
    (body,) = difference(more, fewer)
    assert (body.instructions, body.executions) == (3, 2000)
    with pytest.raises(ToolchainError, match=r"2000 times less often .*expected a program that does the same"):
        difference(fewer, more)


def test_a_long_loop_is_one_block(assemble: Callable[..., Path], qemu: list[str], cache: Path) -> None:
    """Longer than what QEMU translates at once, and over the border of a page."""
    text = LOOP.replace("    fmla", ".rept 1500\n    fmla v0.4s, v1.4s, v2.4s\n.endr\n    fmla")
    assert shape(count_blocks(qemu, assemble(text), [], cache)) == [(3, 1), (1503, 1000), (2, 1)]


def test_threads_and_translations_thrown_away_leave_the_plugin_built_once(
    assemble: Callable[..., Path], qemu: list[str], cache: Path
) -> None:
    built = plugin(qemu, cache)
    made = built.stat().st_mtime_ns
    count_blocks(qemu, assemble(LOOP), [], cache)
    assert [path for path in cache.iterdir() if path.suffix == ".so"] == [built]
    assert built.stat().st_mtime_ns == made


def test_overlapping_pieces_become_blocks() -> None:
    pieces = [BlockCount(100, NOP * 3 + RETURN, 1), BlockCount(104, NOP * 2 + RETURN, 9), BlockCount(116, NOP, 10)]
    assert basic_blocks(pieces) == (
        BlockCount(100, NOP, 1),
        BlockCount(104, NOP * 2 + RETURN, 10),
        BlockCount(116, NOP, 10),
    )


def test_code_that_is_not_adjacent_is_not_joined() -> None:
    pieces = [BlockCount(100, NOP, 5), BlockCount(108, NOP, 5)]
    assert basic_blocks(pieces) == tuple(pieces)


def test_other_code_at_the_same_address_is_kept_apart() -> None:
    pieces = [BlockCount(100, NOP, 5), BlockCount(100, RETURN, 3)]
    assert sorted(basic_blocks(pieces)) == pieces


@pytest.mark.parametrize(
    ("word", "branches"),
    [
        (0x14000001, True),  # b
        (0x94000001, True),  # bl
        (0x54000001, True),  # b.ne
        (0xB4000020, True),  # cbz
        (0x37000020, True),  # tbnz
        (0xD61F0000, True),  # br
        (0xD65F03C0, True),  # ret
        (0xD4000001, True),  # svc
        (0xD503201F, False),  # nop
        (0xD503245F, False),  # bti c
        (0xD53BD040, False),  # mrs
        (0xD5033BBF, False),  # dmb ish
        (0x91000400, False),  # add
        (0x4E22CC20, False),  # fmla
        (0x3DC00000, False),  # ldr q
        (0xF9400000, False),  # ldr x
        (0x90000000, False),  # adrp
    ],
)
def test_branches_are_told_from_their_encoding(word: int, branches: bool) -> None:
    assert A64.is_branch(word.to_bytes(4, "little")) is branches


def test_a_missing_emulator_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match=r"qemu-none cannot be started: No such file.*the package qemu-user"):
        count_blocks(["qemu-none"], tmp_path / "program", [], tmp_path)


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator = fake_emulator(tmp_path, "7.2.22", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(ToolchainError, match=r"no C compiler for this machine.*install the packages gcc and libc6-dev"):
        count_blocks(emulator, tmp_path / "program", [], tmp_path / "cache")


@pytest.mark.usefixtures("qemu")
def test_an_emulator_without_plugins_is_told_apart(tmp_path: Path, cache: Path) -> None:
    emulator = fake_emulator(tmp_path, "7.2.22", "echo \"qemu: unknown option 'plugin'\" >&2; exit 1")
    with pytest.raises(ToolchainError, match=r"takes plugins.*qemu-user has one, qemu-user-static has not"):
        count_blocks(emulator, tmp_path / "program", [], cache)


@pytest.mark.usefixtures("qemu")
def test_a_program_that_fails_says_why(tmp_path: Path, cache: Path) -> None:
    emulator = fake_emulator(tmp_path, "7.2.22", "echo out of paper >&2; exit 3")
    with pytest.raises(ToolchainError, match=r"failed with status 3:\nout of paper$"):
        count_blocks(emulator, tmp_path / "program", [], cache)


@pytest.mark.usefixtures("qemu")
def test_an_emulator_that_leaves_no_counts_is_noticed(tmp_path: Path, cache: Path) -> None:
    emulator = fake_emulator(tmp_path, "7.2.22", "exit 0")
    with pytest.raises(ToolchainError, match="left no counts"):
        count_blocks(emulator, tmp_path / "program", [], cache)


@pytest.mark.usefixtures("qemu")
def test_newer_emulators_get_the_newer_interface(tmp_path: Path, cache: Path) -> None:
    names = [plugin(fake_emulator(tmp_path, version, "exit 1"), cache).name for version in ("8.2.2", "9.0.1", "10.0.0")]
    assert [re.match(r"block_counter-(\d)", name)[1] for name in names] == ["1", "2", "2"]  # type: ignore[index]


def test_a_program_that_runs_by_itself_is_not_counted(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="expected an emulator"):
        count_blocks([], tmp_path / "program", [], tmp_path)
