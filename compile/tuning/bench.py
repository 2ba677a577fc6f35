"""Where programs with a target's kernels are linked and run, emulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from compile.cost import machine_program
from compile.cost.instruction_set import A64, T32, InstructionSet
from targets.machines import Machine
from targets.toolchain import Compiler


class Bench(Protocol):
    """compiler: of the target. instruction_set: of its programs."""

    @property
    def compiler(self) -> Compiler: ...

    @property
    def instruction_set(self) -> InstructionSet: ...

    @property
    def command_prefix(self) -> tuple[str, ...]:
        """What comes before a program on a command line that runs it. Raises ToolchainError if it is missing."""

    def link(self, objects: Sequence[Path], program: Path) -> None:
        """Links objects, one of which has `main`. Raises ToolchainError."""


@dataclass(frozen=True)
class LinuxBench:
    """Programs for Linux on 64-bit Arm, under QEMU's emulator of user mode."""

    compiler: Compiler
    command_prefix: tuple[str, ...]
    instruction_set: InstructionSet = A64

    def link(self, objects: Sequence[Path], program: Path) -> None:
        self.compiler.link_program(objects, program)


@dataclass(frozen=True)
class MachineBench:
    """Programs for a machine with a Cortex-M core and no operating system."""

    compiler: Compiler
    machine: Machine
    instruction_set: InstructionSet = T32

    @property
    def command_prefix(self) -> tuple[str, ...]:
        return tuple(machine_program.command_prefix(self.machine))

    def link(self, objects: Sequence[Path], program: Path) -> None:
        machine_program.link(self.machine, self.compiler, objects, program)
