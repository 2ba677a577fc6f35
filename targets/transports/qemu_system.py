"""An emulated bare-metal board: QEMU's system emulator, started here with the agent of a bundle, its UART on a pty.

QEMU can make a pty itself, but looks only once a second whether somebody has opened the far end. So the pair is made
here, and QEMU opens the far end as if it were a serial port.

The emulated clock counts instructions (`-icount`): the same work takes the same time, whatever else this machine does.
That is a measure of the code, and no prediction of a board's time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import tty
import weakref
from pathlib import Path
from typing import Final

from targets.agent_build import build_agent
from targets.descriptions import Target
from targets.errors import BoardCrashedError, NoBoardError
from targets.machines import EMULATOR, INSTALL, Machine, load_machine
from targets.npu_bundle import NpuBundle, read_any
from targets.npu_devices import device_command
from targets.transports.agent_process import AgentProcess
from targets.transports.byte_stream import ByteStream
from targets.transports.npu_process import NpuProcess

_IMAGE: Final = "agent.elf"
ICOUNT_SHIFT: Final = 5
"""An instruction takes 2**shift nanoseconds."""
_Folder = tempfile.TemporaryDirectory[str]


class QemuSystem:
    """A `Transport` to an emulated machine, which runs until `close`, or until this object is gone."""

    def __init__(self, machine: Machine, folder: _Folder, npu: NpuProcess | None = None) -> None:
        """Starts a machine with `agent.elf` in `folder`, which is removed in the end; otherwise as `boot`.

        npu: its NPU, which is stopped in the end.
        """
        self.description = f"qemu:{machine.name}"
        near, far = os.openpty()
        # Without a far end that stays open, the near one would seem hung up until QEMU has opened its own.
        tty.setraw(far)
        self._stream = ByteStream(near, near)
        command = [EMULATOR, "-kernel", str(Path(folder.name) / _IMAGE)]
        command += ["-chardev", f"serial,id=uart,path={os.ttyname(far)}", "-serial", "chardev:uart"]
        if npu is None:
            command += ["-M", machine.name]
        else:
            command += [*npu.emulator_options(machine.name), "-serial", "chardev:npu"]
        command += ["-nodefaults", "-net", "none", "-display", "none", "-monitor", "stdio"]
        command += ["-icount", f"shift={ICOUNT_SHIFT}"]
        try:
            self._emulator = AgentProcess(command, stdin=subprocess.PIPE)
        except OSError as error:
            if npu is not None:
                npu.stop()
            _free(near, far, folder)
            raise NoBoardError(f"{EMULATOR} cannot be started: {error.strerror}", remedy=INSTALL) from error
        self._npu = npu
        self._finish = weakref.finalize(self, _finish, self._emulator, npu, near, far, folder)

    @classmethod
    def start(cls, name: str, *, bundle: Path, target: Target | None = None) -> QemuSystem:
        """Builds the agent of the bundle in the folder `bundle` for the machine `name`, and boots it.

        For a bundle of an NPU, something that stands in for it is started as well. Raises NoBoardError where the
        emulator is missing, and what `load_machine`, `build_agent` and `device_command` raise.
        """
        machine = load_machine(name)
        if shutil.which(EMULATOR) is None:
            raise NoBoardError(f"{EMULATOR}, which emulates {name}, is not on the PATH", remedy=INSTALL)
        folder = tempfile.TemporaryDirectory(prefix="fan-qemu-")
        try:
            build_agent(bundle, Path(folder.name) / _IMAGE, machine, target=target)
            npu = _npu_of(bundle, machine, Path(folder.name))
        except BaseException:
            folder.cleanup()
            raise
        return cls(machine, folder, npu)

    @classmethod
    def boot(cls, machine: Machine, image: Path) -> QemuSystem:
        """Starts a machine with any ELF image. Raises NoBoardError where the emulator is missing."""
        folder = tempfile.TemporaryDirectory(prefix="fan-qemu-")
        shutil.copyfile(image, Path(folder.name) / _IMAGE)
        return cls(machine, folder)

    @property
    def baud(self) -> int | None:
        return None

    def read(self, timeout_s: float) -> bytes:
        data = self._stream.read(timeout_s)
        if not data:
            self._check_alive()
        return data

    def write(self, data: bytes) -> None:
        self._check_alive()
        self._stream.write(data)

    def set_baud(self, baud: int) -> None:
        """Bytes take no time on this wire."""

    def reopen(self) -> None:
        """Nothing to connect again: it is a cable of our own. Raises BoardCrashedError if the emulator has ended."""
        self._check_alive()

    def reset_board(self) -> None:
        """Presses the board's reset button: memory keeps its content, the agent starts anew."""
        self._check_alive()
        keyboard = self._emulator.process.stdin
        assert keyboard is not None
        keyboard.write(b"system_reset\n")
        keyboard.flush()

    def close(self) -> None:
        self._finish()

    def _check_alive(self) -> None:
        status = self._emulator.exit_code
        if status is not None:
            how = f"ended with status {status}" if status >= 0 else f"was ended by signal {-status}"
            said = self._emulator.said() or "no message"
            raise BoardCrashedError(f"the emulator of {self.description} {how}: {said}")
        if self._npu is not None:
            self._npu.check()


def _npu_of(bundle: Path, machine: Machine, folder: Path) -> NpuProcess | None:
    made = read_any(bundle)
    if machine.npu is None or not isinstance(made, NpuBundle):
        return None
    npu = made.manifest.npu
    return NpuProcess(device_command(npu), npu.accelerator, machine.npu, folder)


def _finish(emulator: AgentProcess, npu: NpuProcess | None, near: int, far: int, folder: _Folder) -> None:
    emulator.stop()
    if npu is not None:
        npu.stop()
    _free(near, far, folder)


def _free(near: int, far: int, folder: _Folder) -> None:
    os.close(near)
    os.close(far)
    folder.cleanup()
