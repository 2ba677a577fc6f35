"""Ways for bytes to reach a board: one module for each, chosen by the form of the URL.

| URL                                   | module        | what is at the other end                          |
|---------------------------------------|---------------|---------------------------------------------------|
| `/dev/ttyUSB0`, `COM5`                | `serial_port` | a UART; `/dev/ttyUSB0,921600` starts at that rate |
| `socket://HOST:PORT`                  | `serial_port` | an agent's TCP port, a terminal server            |
| `rfc2217://HOST:PORT`                 | `serial_port` | a terminal server that can set the baud rate      |
| `ssh:[USER@]HOST[:PATH]`              | `ssh`         | an agent on a board with Linux, on its stdio      |
| `user:CPU`, `user:host`               | `user_agent`  | an agent built here and started here, on a pty    |
| `qemu:MACHINE`                        | `qemu_system` | an emulated bare-metal board                      |
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from isp.errors import ConfigError

if TYPE_CHECKING:
    from targets.descriptions import Target

START_BAUD = 115200


class Transport(Protocol):
    """A stream of bytes to and from a board; it may lose, change and add some.

    `read`, `write` and `reopen` raise OSError where the other end is gone (then `reopen` may be tried), and a
    `targets.errors` error where that is for good.
    """

    @property
    def description(self) -> str:
        """What an error message calls it, e.g. "/dev/ttyUSB0"."""
        ...

    @property
    def baud(self) -> int | None:
        """Bits a second on the wire (ten make a byte), None where there is no such wire."""
        ...

    def read(self, timeout_s: float) -> bytes:
        """What has come; empty if nothing comes in that time."""
        ...

    def write(self, data: bytes) -> None:
        """Sends all of it, waiting where the other end is slow."""
        ...

    def set_baud(self, baud: int) -> None:
        """Raises OSError if the port cannot; does nothing where `baud` is None."""
        ...

    def reopen(self) -> None:
        """Makes the connection anew, at the first rate, after the other end was gone. One attempt."""
        ...

    def close(self) -> None:
        """Frees the port and stops what was started for it. May be called again."""
        ...


def open_transport(url: str, *, bundle: Path | None = None, target: Target | None = None) -> Transport:
    """Opens the transport of a URL.

    `user:` and `qemu:` build the agent of the bundle first; `ssh:` does where it names no agent on the board. target:
    what the bundle was compiled for, where that does not come with the program.

    Raises ConfigError for a URL of no known form or a bundle that is missing, and NoBoardError if there is
    nothing to connect to.
    """
    kind, separator, rest = url.partition(":")
    if not separator or url.startswith(("socket://", "rfc2217://", "/")):
        from targets.transports.serial_port import SerialPort

        return SerialPort(url)
    if kind == "ssh" and rest:
        from targets.transports.ssh import SshAgent

        return SshAgent.start(rest, bundle=bundle, target=target)
    if kind == "user" and rest:
        from targets.transports.user_agent import UserAgent

        return UserAgent.start(rest, bundle=_given(bundle, url), target=target)
    if kind == "qemu" and rest:
        from targets.transports.qemu_system import QemuSystem

        return QemuSystem.start(rest, bundle=_given(bundle, url), target=target)
    raise ConfigError(
        f"{url!r} names no board",
        expected="/dev/ttyUSB0, COM5, socket://HOST:PORT, rfc2217://HOST:PORT, ssh:USER@HOST, user:CPU or qemu:MACHINE",
    )


def _given(bundle: Path | None, url: str) -> Path:
    if bundle is None:
        raise ConfigError(
            f"{url} builds the agent of a bundle, and no bundle is given", remedy="name a bundle's folder"
        )
    return bundle
