"""Which code a program runs under QEMU, and how often: exact, and the same in every run of a deterministic program.

QEMU translates a program in blocks that end at branches, at page borders and at a greatest length, and a loop's body is
part of two of them: of the block that falls into the loop and of the one that repeats it. The counts are
therefore brought back to instructions, and basic blocks are formed anew: runs of neighbouring instructions that
were executed equally often, up to a branch.

References
----------
QEMU's manual, "QEMU TCG Plugins".
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from compile.cost.instruction_set import A64, A64_BYTES, InstructionSet
from isp.atomic import replacing
from targets.toolchain import ToolchainError

SOURCE: Final = Path(__file__).with_name("block_counter.c")
INSTRUCTION_BYTES: Final = A64_BYTES
_COMPILERS: Final = ("cc", "gcc", "clang")
_FLAGS: Final = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
_SHOWN_LINES: Final = 8


@dataclass(frozen=True, order=True)
class BlockCount:
    """A basic block. code: as it lies in memory. executions: how often it ran from its start."""

    address: int
    code: bytes
    executions: int
    instruction_set: InstructionSet = field(default=A64, compare=False)

    @property
    def instructions(self) -> int:
        return len(self.instruction_set.instructions(self.code))

    @property
    def executed_instructions(self) -> int:
        return self.instructions * self.executions


def count_blocks(
    command_prefix: Sequence[str],
    program: Path,
    arguments: Sequence[str],
    cache: Path,
    instruction_set: InstructionSet = A64,
) -> tuple[BlockCount, ...]:
    """Runs a program and counts its basic blocks, those of its shared libraries among them.

    command_prefix: an emulator of QEMU's with its options, behind which a program is named: that of user mode, as
    `targets.toolchain.run_prefix` gives it, or of a machine on which the program ends by itself. cache: folder where
    the plugin is built once; made if there is none. Raises ToolchainError where QEMU or a C compiler for this machine
    is missing, QEMU takes no plugins, or the program fails.
    """
    lines = _run(command_prefix, program, arguments, plugin(command_prefix, cache))
    return basic_blocks(_parsed(line, instruction_set) for line in lines)


def difference(more: Iterable[BlockCount], fewer: Iterable[BlockCount]) -> tuple[BlockCount, ...]:
    """What one run executed beyond another: a repetition of the work without start and end of the program.

    Raises ToolchainError where it executed something less often, which a program does that depends on time or chance.
    """
    return basic_blocks([*more, *(replace(each, executions=-each.executions) for each in fewer)])


def basic_blocks(overlapping: Iterable[BlockCount]) -> tuple[BlockCount, ...]:
    """Basic blocks of the code in pieces that overlap, in the order of their addresses; negative counts are taken away.

    Raises ToolchainError where more is taken away than there is.
    """
    # The key has the code, too: a program may load something else to the same place.
    counts: dict[tuple[int, bytes], int] = {}
    sets: dict[tuple[int, bytes], InstructionSet] = {}
    for piece in overlapping:
        address = piece.address
        for instruction in piece.instruction_set.instructions(piece.code):
            key = (address, instruction)
            counts[key] = counts.get(key, 0) + piece.executions
            sets[key] = piece.instruction_set
            address += len(instruction)
    blocks: list[BlockCount] = []
    straight_on = False
    for (address, instruction), executions in sorted(counts.items()):
        if executions < 0:
            raise ToolchainError(
                f"the instruction at {address:#x} ran {-executions} times less often in the longer run",
                expected="a program that does the same in every run",
            )
        instruction_set = sets[address, instruction]
        last = blocks[-1] if blocks else None
        if straight_on and last is not None and _continues(last, address, executions):
            blocks[-1] = replace(last, code=last.code + instruction)
        elif executions:
            blocks.append(BlockCount(address, instruction, executions, instruction_set))
        straight_on = executions > 0 and not instruction_set.is_branch(instruction)
    return tuple(blocks)


def _continues(block: BlockCount, address: int, executions: int) -> bool:
    return block.address + len(block.code) == address and block.executions == executions


def plugin(command_prefix: Sequence[str], cache: Path) -> Path:
    """The shared object of the plugin for the QEMU that `command_prefix` starts, built unless `cache` has it."""
    interface = 1 if _qemu_version(command_prefix) < (9, 0) else 2
    source = SOURCE.read_bytes()
    built = cache / f"block_counter-{interface}-{hashlib.sha256(source).hexdigest()[:16]}.so"
    if built.exists():
        return built
    compiler = next((found for name in _COMPILERS if (found := shutil.which(name))), None)
    if compiler is None:
        raise ToolchainError(
            "no C compiler for this machine: counting what a program executes needs one, for a plugin of QEMU's",
            expected=f"{' or '.join(_COMPILERS)} on the PATH",
            remedy="on Debian and Ubuntu install the packages gcc and libc6-dev",
        )
    cache.mkdir(parents=True, exist_ok=True)
    with replacing(built) as temporary:
        _call([compiler, *_FLAGS, f"-DPLUGIN_API={interface}", str(SOURCE), "-o", str(temporary)], dict(os.environ))
    return built


def _qemu_version(command_prefix: Sequence[str]) -> tuple[int, int]:
    if not command_prefix:
        raise ToolchainError(
            "a program that this machine runs by itself", expected="an emulator: its plugin counts what is executed"
        )
    said = _call([command_prefix[0], "--version"], dict(os.environ))
    found = re.search(r"version (\d+)\.(\d+)", said)
    if found is None:
        raise ToolchainError(f"{command_prefix[0]} says {said[:80]!r} of its version", expected="QEMU's emulator")
    return int(found[1]), int(found[2])


def _run(command_prefix: Sequence[str], program: Path, arguments: Sequence[str], built: Path) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="fan-blocks-") as folder:
        # QEMU takes a comma for the end of a file's name, unlike one that is written twice.
        result = Path(folder, "blocks.txt")
        option = f"{str(built).replace(',', ',,')},out={str(result).replace(',', ',,')}"
        # What a program does may depend on where it lies, on the environment even by its length.
        surroundings = {"PATH": os.environ.get("PATH", os.defpath)}
        # The program is the last word of the options: a machine's emulator has an option that takes it.
        emulator, *options = command_prefix
        _call([emulator, "-plugin", option, *options, str(program), *arguments], surroundings)
        if not result.exists():
            raise ToolchainError(f"{command_prefix[0]} left no counts of {program}")
        return result.read_text(encoding="ascii").splitlines()


def _parsed(line: str, instruction_set: InstructionSet) -> BlockCount:
    address, executions, code = line.split()
    # Bytes behind an instruction's own are of the next one.
    own = (instruction_set.instructions(bytes.fromhex(one))[0] for one in code.split("."))
    return BlockCount(int(address, 16), b"".join(own), int(executions), instruction_set)


def _call(command: Sequence[str], surroundings: dict[str, str]) -> str:
    """Runs a tool and returns its output."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", env=surroundings, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise ToolchainError(
            f"{command[0]} cannot be started: {error.strerror}",
            remedy="on Debian and Ubuntu QEMU's emulators are in the package qemu-user",
        ) from error
    if done.returncode == 0:
        return done.stdout
    said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    text = "\n".join([f"{command[0]} failed with status {done.returncode}:", *said[:_SHOWN_LINES]])
    if "-plugin" in command and re.search(r"plugin", done.stderr, re.IGNORECASE):
        raise ToolchainError(
            text,
            expected="a QEMU that takes plugins",
            remedy="on Debian and Ubuntu the package qemu-user has one, qemu-user-static has not",
        )
    raise ToolchainError(text)
