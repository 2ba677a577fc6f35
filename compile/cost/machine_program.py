"""Programs for cores without an operating system that run on an emulated machine and end by themselves.

Of user-mode emulation there is none that fits: QEMU 7.2's refuses the cores of the Cortex-M. So their programs run on a
machine of `targets.machines`, and end by Arm's semihosting. QEMU loads everything to where it is used, and its memory
is clear: nothing is copied or cleared at the start.

References
----------
QEMU's manual, "Semihosting"; Arm, "Semihosting for AArch32 and AArch64".
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from targets.machines import EMULATOR, INSTALL, Machine
from targets.toolchain import Compiler, ToolchainError

_START: Final = Path(__file__).with_name("machine_start.c")
_MEMORY_FUNCTIONS: Final = "ports/cmsdk/memory_functions.c"
"""In firmware_hooks: what compilers call by themselves."""
_STACK_BYTES: Final = 1 << 16
_LAYOUT: Final = """
MEMORY
{{
    CODE : ORIGIN = {machine.code.start:#x}, LENGTH = {machine.code.bytes:#x}
    RAM : ORIGIN = {machine.ram.start:#x}, LENGTH = {machine.ram.bytes:#x}
    LARGE : ORIGIN = {machine.memory.start:#x}, LENGTH = {machine.memory.bytes:#x}
}}
ENTRY(reset)
SECTIONS
{{
    .vectors : {{ KEEP(*(.vectors)) }} > CODE
    .all : ALIGN(64) {{ *(.text .text.* .rodata .rodata.* .data .data.* .got .got.*) }} > LARGE
    .bss (NOLOAD) : ALIGN(64) {{ . += {stack_bytes}; stack_top = .; . = ALIGN(64); *(.bss .bss.* COMMON) }} > RAM
    /DISCARD/ : {{ *(.ARM.exidx* .comment .debug_* .note.*) }}
}}
"""


def link(machine: Machine, compiler: Compiler, objects: Sequence[Path], output: Path) -> None:
    """Links a program of objects, one of which has `main`; what main returns other than 0 is a failure.

    Constants and code go to the machine's large memory, variables and a stack of 64 KiB to its RAM. Raises
    ToolchainError, also where the program doesn't fit.
    """
    with (
        as_file(files("firmware_hooks").joinpath(_MEMORY_FUNCTIONS)) as memory_functions,
        tempfile.TemporaryDirectory(prefix="fan-machine-program-") as temporary,
    ):
        folder = Path(temporary)
        own = compiler.compile_objects([_START, memory_functions], [], folder)
        script = folder / "machine.ld"
        script.write_text(_LAYOUT.format(machine=machine, stack_bytes=_STACK_BYTES), encoding="ascii")
        compiler.link_firmware([*own, *objects], script, output)


def command_prefix(machine: Machine) -> list[str]:
    """What comes before a program on a command line that runs it. Raises ToolchainError without the emulator."""
    if shutil.which(EMULATOR) is None:
        raise ToolchainError(f"{EMULATOR}, which emulates {machine.name}, is not on the PATH", remedy=INSTALL)
    options = ["-M", machine.name, "-nodefaults", "-net", "none", "-display", "none"]
    return [EMULATOR, *options, "-semihosting-config", "enable=on,target=native", "-kernel"]
