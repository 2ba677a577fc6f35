"""The NPU of an emulated machine: a file that is the machine's memory, a UART, and the program at its far end."""

from __future__ import annotations

from pathlib import Path

from targets.errors import BoardCrashedError
from targets.machines import NpuStandIn
from targets.npu_devices import DeviceCommand
from targets.transports.agent_process import AgentProcess


class NpuProcess:
    """A program that stands in for an NPU, as long as the machine runs."""

    def __init__(self, command: DeviceCommand, accelerator: str, place: NpuStandIn, folder: Path) -> None:
        """Starts it; it waits for the emulator. folder: where memory and UART are to be.

        Raises ConfigError for an accelerator that the program is no substitute for.
        """
        self._accelerator = accelerator
        self._uart, self._memory = folder / "npu-uart", folder / "npu-memory"
        self._bytes = place.window.bytes
        arguments = command(accelerator, self._uart, self._memory, place.window.start)
        # What nobody writes to takes no room.
        with self._memory.open("wb") as file:
            file.truncate(self._bytes)
        self._process = AgentProcess(arguments)

    def emulator_options(self, machine: str) -> list[str]:
        """What connects an emulated machine with it, the machine's name included; the UART is the next one."""
        memory = f"memory-backend-file,id=shared,mem-path={self._memory},size={self._bytes},share=on"
        uart = f"socket,id=npu,path={self._uart},server=on,wait=off"
        return ["-M", f"{machine},memory-backend=shared", "-object", memory, "-chardev", uart]

    def check(self) -> None:
        """Raises BoardCrashedError where it has ended."""
        if self._process.exit_code is not None:
            said = self._process.said() or "no message"
            raise BoardCrashedError(f"what stands in for {self._accelerator} ended: {said}")

    def stop(self) -> None:
        self._process.stop()
