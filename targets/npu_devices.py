"""What stands in for an NPU beside an emulated core: a program that executes the NPU's command streams.

It comes from another package, by the entry-point group `targets.npu_devices`: the name is the NPU's family, the object
a `DeviceCommand`. The program connects to a UART of the machine, where the firmware rings
(`firmware_hooks/ports/cmsdk/npu_device.c` has the protocol), and works on the machine's memory, which is a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, Protocol

from isp.errors import ConfigError
from targets.descriptions import Npu

GROUP: Final = "targets.npu_devices"


class DeviceCommand(Protocol):
    """How to start the program."""

    def __call__(self, accelerator: str, uart: Path, memory: Path, start: int) -> Sequence[str]:
        """A command line.

        accelerator: as Vela names it. uart: a Unix socket that waits for a connection, or will soon. memory: a file;
        start: the address of its first byte. Raises ConfigError for an accelerator that it is no substitute for.
        """
        ...


def is_substituted(npu: Npu) -> bool:
    """Whether something stands in for an NPU here."""
    return _family(npu) in {entry.name for entry in entry_points(group=GROUP)}


def device_command(npu: Npu) -> DeviceCommand:
    """What stands in for an NPU. Raises ConfigError where nothing does."""
    family = _family(npu)
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if family not in found:
        known = ", ".join(sorted(found)) or "none"
        raise ConfigError(
            f"nothing here stands in for {npu.accelerator}",
            expected=f"one of {known}",
            remedy="use a board that has this NPU" if found else "install this project as a package, with pip",
        )
    command: DeviceCommand = found[family].load()
    return command


def _family(npu: Npu) -> str:
    return npu.accelerator.rpartition("-")[0]
