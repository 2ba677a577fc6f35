"""C compilers, linkers and emulators of other people: which there are, how each is called, what they say on failure.

A target's compilers are looked for on the PATH in the order of its description; `zig cc`, which brings the headers and
the C library of each target along, comes last (`pip install ziglang`).
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from isp.atomic import replacing
from isp.errors import ConfigError, UserError
from targets.descriptions import HOST, OperatingSystem, Target, load
from targets.machines import EMULATOR, INSTALL, Machine, machines_for

_C_FLAGS: Final = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
_ZIG: Final = (sys.executable, "-m", "ziglang")
_SHOWN_LINES: Final = 8


class ToolchainError(UserError):
    """A C compiler or linker that failed, is missing or cannot be started."""

    exit_code = 2


@dataclass(frozen=True)
class Compiler:
    """A C compiler that builds for one target.

    command: the program with what makes it build for the target's core. static_command: the same for programs without
    shared libraries. version: the first line that it says of itself. operating_system: of the target.
    """

    command: tuple[str, ...]
    static_command: tuple[str, ...]
    version: str
    operating_system: OperatingSystem

    def compile_objects(self, sources: Sequence[Path], includes: Sequence[Path], folder: Path) -> tuple[Path, ...]:
        """Compile C99 `sources`, with headers from the folders `includes`, to an object of the same stem in `folder`.

        Warnings are errors. Raises ToolchainError with what the compiler said; then the object in question is not made.
        """
        folder.mkdir(parents=True, exist_ok=True)
        options = [*_C_FLAGS, *self._surroundings(), *(f"-I{include}" for include in includes)]
        objects = []
        for source in sources:
            compiled = folder / f"{source.stem}.o"
            with replacing(compiled) as temporary:
                _run([*self.command, *options, "-c", str(source), "-o", str(temporary)])
            objects.append(compiled)
        return tuple(objects)

    def link_shared(self, objects: Sequence[Path], output: Path) -> None:
        """Link a shared library, named after its file, that needs the C library and that of mathematics at most.

        For targets with an operating system. Raises ToolchainError, also for symbols that nothing defines.
        """
        strict = (f"-Wl,-soname,{output.name}", "-Wl,--no-undefined", "-Wl,--as-needed")
        _link([*self.command, "-O2", *self._surroundings(), "-shared", *strict], objects, output)

    def link_plugin(self, objects: Sequence[Path], output: Path) -> None:
        """Link a shared library of which the program that loads it defines what is missing.

        For targets with an operating system. Raises ToolchainError.
        """
        _link([*self.command, "-O2", *self._surroundings(), "-shared"], objects, output)

    def link_program(self, objects: Sequence[Path], output: Path, *, static: bool = True) -> None:
        """Link a program: static to run anywhere, in an emulator for one; otherwise with the system's own libraries.

        For targets with an operating system. Raises ToolchainError.
        """
        command = [*self.static_command, "-O2", "-static"] if static else [*self.command, "-O2"]
        _link(command, objects, output)

    def link_firmware(self, objects: Sequence[Path], script: Path, output: Path) -> None:
        """Link an image for a machine without an operating system, laid out by a linker script.

        Of libraries there is only the compiler's own. What nothing refers to is left out. Raises ToolchainError, also
        where the image doesn't fit the machine's memory.
        """
        layout = ("-nostdlib", "-Wl,--gc-sections", "-Wl,-z,max-page-size=4", f"-Wl,-T,{script}")
        _link([*self.command, *layout], objects, output, libraries=("-lgcc",))

    def _surroundings(self) -> tuple[str, ...]:
        if self.operating_system is OperatingSystem.NONE:
            # No C library behind it, nor anything to unwind the stack with.
            sections = ("-ffunction-sections", "-fdata-sections")
            return ("-ffreestanding", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables", *sections)
        return ("-fPIC",)


def find_compiler(target: Target) -> Compiler | None:
    """The first of the target's compilers on the PATH, else Zig if it is installed beside Python, else None.

    Raises ToolchainError if the one found doesn't start.
    """
    for name in target.compilers:
        if shutil.which(name) is not None:
            command = (name, *target.compiler_flags)
            return Compiler(command, command, _first_line([name, "--version"]), target.operating_system)
    if importlib.util.find_spec("ziglang") is None:
        return None
    # Zig links glibc as a shared library only, and musl either way.
    static_target = re.sub(r"-gnu([a-z]*).*", r"-musl\1", target.zig_target)
    command, static_command = (
        (*_ZIG, "cc", "-target", zig_target, f"-mcpu={target.zig_cpu}")
        for zig_target in (target.zig_target, static_target)
    )
    return Compiler(command, static_command, f"zig {_first_line([*_ZIG, 'version'])}", target.operating_system)


def required_compiler(target: Target) -> Compiler:
    """As `find_compiler`, but raises ToolchainError, with what to install, also where there is none."""
    compiler = find_compiler(target)
    if compiler is None:
        raise ToolchainError(missing_compiler_message(target))
    return compiler


def missing_compiler_message(target: Target) -> str:
    """What to install so that `find_compiler` finds one."""
    return (
        f"no C compiler for the target {target.name!r}: {' or '.join(target.compilers)} is not on the PATH; "
        f"install one (on Debian and Ubuntu the package {target.install_hint}), or run: pip install ziglang"
    )


def missing_to_run(target: Target) -> str:
    """Why programs of the target cannot be made or run here, where that is so."""
    if find_compiler(target) is None:
        return missing_compiler_message(target)
    if target.operating_system is OperatingSystem.NONE:
        if not machines_for(target.name):
            return f"code for {target.name} needs a board: none is emulated that has its core"
        return f"{EMULATOR}, which emulates a board with that core, is not on the PATH; {INSTALL}"
    if target.emulator is None:
        return f"nothing is known to emulate {target.name}"
    return (
        f"{target.emulator.program} is not on the PATH; install it (on Debian and Ubuntu the package "
        f"{target.emulator.install_hint})"
    )


def run_prefix(target: Target) -> list[str] | None:
    """What comes before a program of the target on a command line to run it here; None if it cannot be run.

    Nothing on a machine that is sure to have the target's instructions; else its emulator, if that is on the PATH.
    """
    if _runs_natively(target):
        return []
    if target.emulator is None or shutil.which(target.emulator.program) is None:
        return None
    return [target.emulator.program, "-cpu", target.emulator.cpu]


def machine_to_run(target: Target) -> Machine | None:
    """What runs code of a target without an operating system here, emulated; None where it cannot be run."""
    machines = machines_for(target.name)
    return machines[0] if machines and shutil.which(EMULATOR) is not None else None


def _runs_natively(target: Target) -> bool:
    if target.name == HOST:
        return True
    try:
        here = load(HOST)
    except ConfigError:  # a machine that is not known
        return False
    same_system = (target.triple, target.operating_system) == (here.triple, here.operating_system)
    return same_system and target.cpu in ("generic", here.cpu) and set(target.features) <= set(here.features)


def _link(command: Sequence[str], objects: Sequence[Path], output: Path, libraries: Sequence[str] = ("-lm",)) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as temporary:
        _run([*command, *map(str, objects), "-o", str(temporary), *libraries])


def _first_line(command: Sequence[str]) -> str:
    return _run(command).partition("\n")[0].strip()


def _run(command: Sequence[str]) -> str:
    """Run a tool and return what it wrote to its output."""
    tool = " ".join(command[:4] if command[0] == sys.executable else command[:1])
    try:
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise ToolchainError(f"{tool} cannot be started: {error.strerror}") from error
    if result.returncode != 0:
        said = [line for line in (result.stderr or result.stdout).splitlines() if line.strip()]
        raise ToolchainError("\n".join([f"{tool} failed with status {result.returncode}:", *said[:_SHOWN_LINES]]))
    return result.stdout
