"""What a bundle brings into the agent that carries it: a library for the core, or an NPU's tables and their C code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from targets.machine_image import PORT
from targets.npu_bundle import AnyBundle, NpuBundle

CORE_ENGINE: Final = "engines/fan_work_core.c"
NPU_ENGINE: Final = "engines/fan_work_npu.c"
STAND_IN: Final = ("npu_device.c", "mathematics.c")
"""Of the port: an NPU that is none, and what of mathematics a core without a C library lacks."""
_NPU_SOURCES: Final = ("fan_npu.c", "fan_npu_model.c")


@dataclass(frozen=True)
class AgentParts:
    """sources: C files besides the agent's own. headers: folders of their headers. libraries: archives."""

    sources: tuple[Path, ...]
    headers: tuple[Path, ...]
    libraries: tuple[Path, ...]


def parts_of(made: AnyBundle, hooks: Path) -> AgentParts:
    """hooks: the firmware's sources."""
    if isinstance(made, NpuBundle):
        sources = (hooks / NPU_ENGINE, *(made.folder / "src" / name for name in _NPU_SOURCES))
        return AgentParts(sources, (made.folder / "include", made.folder / "src"), ())
    library = made.folder / made.manifest.library.static
    return AgentParts((hooks / CORE_ENGINE,), (made.folder / "include",), (library,))


def stand_in(made: AnyBundle, hooks: Path) -> list[Path]:
    """C files that an emulated machine takes besides, for a bundle of an NPU."""
    return [hooks / PORT / name for name in STAND_IN] if isinstance(made, NpuBundle) else []


def interface_version(made: AnyBundle) -> int:
    """The version of the interface that the agent is made for, of the kind that the bundle has."""
    name, macro = ("fan_npu.h", "FAN_NPU") if isinstance(made, NpuBundle) else ("fan.h", "FAN")
    header = files("firmware_hooks").joinpath("include", name).read_text(encoding="utf-8")
    found = re.search(rf"^#define {macro}_ABI_VERSION (\d+)u$", header, re.MULTILINE)
    assert found is not None, header
    return int(found[1])
