"""Images for machines without an operating system: C sources with the start-up code, clock and UART of their port."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from targets.descriptions import load
from targets.machines import Machine
from targets.toolchain import required_compiler

PORT: Final = "ports/cmsdk"
"""Where it lies in firmware_hooks. Its `main.c` is the agent's, its `npu_device.c` stands in for an NPU."""
_PARTS: Final = ("startup.c", "clock.c", "uart.c", "memory_functions.c")
_LAYOUT: Final = "sections.ld"


def build_image(
    machine: Machine, sources: Sequence[Path], includes: Sequence[Path], libraries: Sequence[Path], output: Path
) -> Path:
    """Builds an ELF image of C99 `sources`, one of which has `main`, and returns its path, `output`.

    includes: folders of headers; those of the port, and `machine.h` with the facts of the machine, are found as well.
    libraries: archives. Raises ToolchainError where there is no compiler for the machine's core, or it fails, and
    where the image doesn't fit the machine's memory.
    """
    compiler = required_compiler(load(machine.target))
    with (
        as_file(files("firmware_hooks").joinpath(PORT)) as port,
        tempfile.TemporaryDirectory(prefix="fan-image-") as temporary,
    ):
        folder = Path(temporary)
        (folder / "machine.h").write_text(_machine_header(machine), encoding="utf-8")
        script = folder / "machine.ld"
        script.write_text(_memory_map(machine) + (port / _LAYOUT).read_text(encoding="utf-8"), encoding="utf-8")
        everything = [*(port / part for part in _PARTS), *sources]
        objects = compiler.compile_objects(everything, [*includes, port, folder], folder)
        compiler.link_firmware([*objects, *libraries], script, output)
    return output


def c_text(text: str) -> str:
    """A text as a C literal."""
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b'"\\?' else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(plain)}"'


def _memory_map(machine: Machine) -> str:
    regions = {"CODE": machine.code, "RAM": machine.ram, "LARGE": machine.memory}
    lines = (f"    {name} : ORIGIN = {one.start:#x}, LENGTH = {one.bytes:#x}\n" for name, one in regions.items())
    return f"MEMORY\n{{\n{''.join(lines)}}}\n"


def _machine_header(machine: Machine) -> str:
    facts = {
        "MACHINE_NAME": c_text(machine.name),
        "CORE_FEATURES": f"{machine.core_features.value}u",
        "TICK_HZ": f"{machine.tick_hz}u",
        "UART_BASE": f"{machine.uart.base:#x}u",
        "UART_CLOCK_HZ": f"{machine.uart.clock_hz}u",
        "UART_RECEIVE_INTERRUPT": f"{machine.uart.receive_interrupt}u",
    }
    if machine.npu is not None:
        facts["NPU_UART_BASE"] = f"{machine.npu.uart_base:#x}u"
    lines = "".join(f"#define {name} {value}\n" for name, value in facts.items())
    return f"#ifndef MACHINE_H\n#define MACHINE_H\n\n{lines}\n#endif\n"
