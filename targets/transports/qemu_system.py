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
from targets.errors import BoardCrashedError, NoBoardError
from targets.machines import Machine, load_machine
from targets.transports.agent_process import AgentProcess
from targets.transports.byte_stream import ByteStream

EMULATOR: Final = "qemu-system-arm"
INSTALL: Final = f"on Debian and Ubuntu: apt-get install --no-install-recommends {EMULATOR}"
_IMAGE: Final = "agent.elf"
ICOUNT_SHIFT: Final = 5
"""An instruction takes 2**shift nanoseconds."""
_Folder = tempfile.TemporaryDirectory[str]


class QemuSystem:
    """A `Transport` to an emulated machine, which runs until `close`, or until this object is gone."""

    def __init__(self, machine: Machine, folder: _Folder) -> None:
        """Starts a machine with `agent.elf` in `folder`, which is removed in the end; otherwise as `boot`."""
        self.description = f"qemu:{machine.name}"
        near, far = os.openpty()
        # Without a far end that stays open, the near one would seem hung up until QEMU has opened its own.
        tty.setraw(far)
        self._stream = ByteStream(near, near)
        command = [EMULATOR, "-M", machine.name, "-kernel", str(Path(folder.name) / _IMAGE)]
        command += ["-chardev", f"serial,id=uart,path={os.ttyname(far)}", "-serial", "chardev:uart"]
        command += ["-nodefaults", "-net", "none", "-display", "none", "-monitor", "stdio"]
        command += ["-icount", f"shift={ICOUNT_SHIFT}"]
        try:
            self._emulator = AgentProcess(command, stdin=subprocess.PIPE)
        except OSError as error:
            _free(near, far, folder)
            raise NoBoardError(f"{EMULATOR} cannot be started: {error.strerror}", remedy=INSTALL) from error
        self._finish = weakref.finalize(self, _finish, self._emulator, near, far, folder)

    @classmethod
    def start(cls, name: str, *, bundle: Path) -> QemuSystem:
        """Builds the agent of the bundle in the folder `bundle` for the machine `name`, and boots it.

        Raises NoBoardError where the emulator is missing, and what `load_machine` and `build_agent` raise.
        """
        machine = load_machine(name)
        if shutil.which(EMULATOR) is None:
            raise NoBoardError(f"{EMULATOR}, which emulates {name}, is not on the PATH", remedy=INSTALL)
        folder = tempfile.TemporaryDirectory(prefix="fan-qemu-")
        try:
            build_agent(bundle, Path(folder.name) / _IMAGE, machine)
        except BaseException:
            folder.cleanup()
            raise
        return cls(machine, folder)

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


def _finish(emulator: AgentProcess, near: int, far: int, folder: _Folder) -> None:
    emulator.stop()
    _free(near, far, folder)


def _free(near: int, far: int, folder: _Folder) -> None:
    os.close(near)
    os.close(far)
    folder.cleanup()
