"""Boards without an operating system that the agent can be built for: their memory, their UART, what their core can.

Each is an entry of `machines.yaml`, checked when it is loaded. QEMU emulates them under the same names.

References
----------
Arm application notes 386, 500, 505 and 547: FPGA images for MPS2+ and MPS3.
QEMU `docs/system/arm/mps2.rst`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal

import yaml
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked_dataclass

from isp.errors import ConfigError
from isp.registry import nearest
from targets.core_features import CoreFeature
from targets.descriptions import Target

EMULATOR: Final = "qemu-system-arm"
INSTALL: Final = f"on Debian and Ubuntu: apt-get install --no-install-recommends {EMULATOR}"
FILE = Path(__file__).with_suffix(".yaml")
ALIGNMENT = 64
"""Of the agent's memory, in bytes."""

_STRICT = ConfigDict(extra="forbid", strict=True)
_Text = Annotated[str, Field(min_length=1, pattern=r"^\S.*$")]
_Address = Annotated[int, Field(ge=0, lt=1 << 32, multiple_of=ALIGNMENT)]
_Count = Annotated[int, Field(gt=0, lt=1 << 32)]


@checked_dataclass(frozen=True, config=_STRICT)
class Region:
    """Memory that follows one address."""

    start: _Address
    bytes: _Count

    @property
    def end(self) -> int:
        """The first address beyond it."""
        return self.start + self.bytes


@checked_dataclass(frozen=True, config=_STRICT)
class Uart:
    """A CMSDK UART. receive_interrupt: number at the NVIC. clock_hz: what its baud rate is divided from."""

    base: _Address
    receive_interrupt: Annotated[int, Field(ge=0, lt=480)]
    clock_hz: _Count


@checked_dataclass(frozen=True, config=_STRICT)
class NpuStandIn:
    """What takes an NPU's place where the machine is emulated (`firmware_hooks/ports/cmsdk/npu_device.c`).

    uart_base: of a second CMSDK UART, which is the second of the emulator's as well. window: memory that the stand-in
    sees, all that the emulator calls the machine's.
    """

    uart_base: _Address
    window: Region


@checked_dataclass(frozen=True, config=_STRICT)
class Machine:
    """A board with a Cortex-M core, and the memory that the agent uses of it.

    name: as QEMU has it. target: what a bundle for its core is compiled for. code: where the core starts: vectors and
    code. ram: stack and data. memory: weights, then a job's input, output and arena. tick_hz: of SysTick, which counts
    the core's clock. features: names of `CoreFeature`, in lower case with hyphens. npu: None where nothing stands in
    for one.
    """

    name: str
    summary: _Text
    target: Annotated[str, Field(pattern=r"^cortex-m\d+$")]
    code: Region
    ram: Region
    memory: Region
    uart: Uart
    tick_hz: _Count
    features: tuple[Literal["fpu", "fpu-double", "mve"], ...]
    npu: NpuStandIn | None = None

    def __post_init__(self) -> None:
        regions = sorted((self.code, self.ram, self.memory), key=lambda region: region.start)
        for lower, upper in pairwise(regions):
            if lower.end > upper.start:
                raise ValueError(f"{self.name}: memory at {upper.start:#x} overlaps that at {lower.start:#x}")
        if self.npu is not None and not (
            self.npu.window.start <= self.memory.start and self.memory.end <= self.npu.window.end
        ):
            raise ValueError(f"{self.name}: the NPU does not see the memory at {self.memory.start:#x}")

    @property
    def core_features(self) -> CoreFeature:
        """What its core can do."""
        found = CoreFeature(0)
        for feature in self.features:
            found |= CoreFeature[feature.upper().replace("-", "_")]
        return found


def machine_names() -> tuple[str, ...]:
    """All machines, sorted."""
    return tuple(sorted(_machines()))


def load_machine(name: str) -> Machine:
    """The machine of that name. Raises ConfigError if there is none."""
    machines = _machines()
    if name not in machines:
        raise ConfigError(f"no machine is named {name!r}", remedy=nearest(name, machines))
    return machines[name]


def machines_for(target: str) -> tuple[Machine, ...]:
    """The machines whose core a bundle for `target` is compiled for."""
    return tuple(machine for machine in _machines().values() if machine.target == target)


def machines_taking(target: Target) -> tuple[Machine, ...]:
    """The machines that a bundle for `target` runs on: with its core, and with something in the place of its NPU."""
    if target.npu is None:
        return machines_for(target.name)
    return tuple(machine for machine in machines_for(target.cpu) if machine.npu is not None)


@cache
def _machines() -> Mapping[str, Machine]:
    # The table comes with the program: a fault in it is the program's, found by its tests.
    table = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    named = {name: {"name": name, **content} for name, content in table.items()}
    # As JSON, for there the strict types take a list as a tuple.
    return TypeAdapter(dict[str, Machine]).validate_json(json.dumps(named))
