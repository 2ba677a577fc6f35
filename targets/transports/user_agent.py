"""An agent that is built here and started here: natively (`user:host`), or as QEMU's user mode emulates a core.

It works at the end of a pseudo terminal, so that what it meets is what it meets at a serial port.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import tty
from collections.abc import Sequence
from pathlib import Path

from isp.errors import ConfigError
from targets.descriptions import Target
from targets.errors import BoardCrashedError, NoBoardError
from targets.transports.agent_process import AgentProcess, death
from targets.transports.byte_stream import ByteStream

HOST = "host"
_EMULATORS = ("qemu-aarch64", "qemu-aarch64-static")
_INSTALL_HINT = "qemu-user-static"


class UserAgent:
    """A running agent; `close` stops it."""

    def __init__(self, name: str, command: Sequence[str], folder: tempfile.TemporaryDirectory[str] | None) -> None:
        """Starts `command` with the terminal's name after it; `folder` is removed at the end.

        Raises NoBoardError if it cannot be started.
        """
        self.description = name
        self._folder = folder
        self._master_fd, self._slave_fd = os.openpty()
        # Without a slave that stays open, the master would seem hung up until the agent has opened its own.
        tty.setraw(self._slave_fd)
        self._stream = ByteStream(self._master_fd, self._master_fd)
        try:
            self._agent = AgentProcess([*command, "--tty", os.ttyname(self._slave_fd)])
        except OSError as error:
            self._close_files()
            raise NoBoardError(f"{command[0]} cannot be started ({error})") from error

    @classmethod
    def start(cls, cpu: str, *, bundle: Path, target: Target | None = None) -> UserAgent:
        """Builds the agent of a bundle and starts it.

        cpu: `host`, or a core as QEMU names it. Raises ConfigError if there is no emulator, NoBoardError if the agent
        cannot be started, and what `targets.agent_build.build_agent` raises.
        """
        from targets.agent_build import build_agent

        emulator, options = ((), ()) if cpu == HOST else (_emulator_of(cpu), ("--board", f"QEMU {cpu}"))
        folder = tempfile.TemporaryDirectory(prefix="fan-agent-")
        try:
            program = build_agent(bundle, Path(folder.name) / "fan-agent", None, target=target)
            return cls(f"user:{cpu}", [*emulator, str(program), *options], folder)
        except BaseException:
            folder.cleanup()
            raise

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
        """A terminal of this kind has no rate."""

    def reopen(self) -> None:
        """Nothing to connect again: it is a cable of our own. Raises BoardError if the agent is dead."""
        self._check_alive()

    def close(self) -> None:
        if self._master_fd < 0:
            return
        self._agent.stop()
        self._close_files()

    def _close_files(self) -> None:
        os.close(self._master_fd)
        os.close(self._slave_fd)
        self._master_fd = self._slave_fd = -1
        if self._folder:
            self._folder.cleanup()

    def _check_alive(self) -> None:
        code = self._agent.exit_code
        if code is None:
            return
        said = self._agent.said()
        if code < 0:
            raise death(self.description, -code, said)
        raise BoardCrashedError(f"the agent on {self.description} ended with exit code {code}: {said or 'no message'}")


def _emulator_of(cpu: str) -> tuple[str, ...]:
    emulator = _emulator()
    known = subprocess.run([emulator, "-cpu", "help"], capture_output=True, text=True, check=False).stdout.split()
    if cpu not in known:
        cores = [name for name in known if name.startswith(("cortex-", "neoverse-", "max"))]
        found = f"user:{cpu}: {Path(emulator).name} of this machine emulates no such core"
        raise ConfigError(found, expected=f"host or {', '.join(cores)}")
    return emulator, "-cpu", cpu


def _emulator() -> str:
    for name in _EMULATORS:
        if path := shutil.which(name):
            return path
    raise ConfigError(
        f"no {_EMULATORS[0]} on this machine to emulate the core", remedy=f"sudo apt-get install {_INSTALL_HINT}"
    )
