"""The boards that can be emulated on this machine, and what each takes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from isp.errors import ConfigError
from targets.descriptions import HOST, Target, load, names
from targets.machines import EMULATOR, Machine, load_machine, machine_names, machines_taking
from targets.npu_devices import is_substituted


@dataclass(frozen=True)
class EmulatedBoard:
    """A board that is emulated.

    url: what --board takes. core: as its emulator calls it. targets: whose bundles run there. emulator: the program,
    None where none is needed. emulator_found: its path, None where it is not found. compiler_found: of a compiler
    that builds the agent, likewise.
    """

    url: str
    core: str
    targets: tuple[str, ...]
    emulator: str | None
    emulator_found: str | None
    compiler_found: str | None

    @property
    def ready(self) -> bool:
        return self.compiler_found is not None and (self.emulator is None or self.emulator_found is not None)


def emulated_boards() -> Iterator[EmulatedBoard]:
    """This machine itself, cores that run programs for Linux, then machines without an operating system."""
    described = {name: load(name) for name in names() if name != HOST}
    try:
        here = load(HOST)
    except ConfigError:  # a machine that is not described can still emulate others
        pass
    else:
        yield EmulatedBoard(f"user:{HOST}", here.cpu, (HOST,), None, None, compiler_path(here))
    emulators = {target.emulator.cpu: target.emulator for target in described.values() if target.emulator}
    for cpu, emulator in sorted(emulators.items()):
        own = [target for target in described.values() if target.emulator == emulator]
        compiler = next(filter(None, map(compiler_path, own)), None)
        found = shutil.which(emulator.program)
        yield EmulatedBoard(f"user:{cpu}", cpu, tuple(one.name for one in own), emulator.program, found, compiler)
    for name in machine_names():
        machine = load_machine(name)
        compiler, found = compiler_path(described[machine.target]), shutil.which(EMULATOR)
        taken = tuple(one.name for one in described.values() if _takes_bundles(machine, one))
        yield EmulatedBoard(f"qemu:{name}", machine.target, taken, EMULATOR, found, compiler)


def compiler_path(target: Target) -> str | None:
    """The target's preferred compiler that is found on this machine."""
    return next(filter(None, map(shutil.which, target.compilers)), None)


def _takes_bundles(machine: Machine, target: Target) -> bool:
    return machine in machines_taking(target) and (target.npu is None or is_substituted(target.npu))
