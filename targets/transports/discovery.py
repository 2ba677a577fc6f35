"""Boards at this machine's USB ports: adapters known by their USB numbers, confirmed by their agent's HELLO.

References
----------
OpenOCD 0.12, `contrib/60-openocd.rules`: ST-LINK, J-Link, FTDI, DAPLink, Raspberry Pi Debug Probe.
Linux, `drivers/usb/serial/` `cp210x.c` and `ch341.c`: USB-to-serial converters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from targets.errors import BoardError, LinkError, NoBoardError
from targets.link.client import Board
from targets.link.messages import Hello
from targets.transports.serial_port import SerialPort

ADAPTERS = {
    (0x0483, 0x374B): "ST-LINK/V2-1",
    (0x0483, 0x374E): "ST-LINK/V3E",
    (0x0483, 0x374F): "ST-LINK/V3S",
    (0x0483, 0x3752): "ST-LINK/V2-1",
    (0x0483, 0x3753): "ST-LINK/V3, two ports",
    (0x0483, 0x3754): "ST-LINK/V3P",
    (0x1366, 0x0105): "J-Link",
    (0x1366, 0x1004): "J-Link",
    (0x1366, 0x1005): "J-Link",
    (0x0D28, 0x0204): "DAPLink",
    (0x2E8A, 0x000C): "Raspberry Pi Debug Probe",
    (0x0403, 0x6001): "FTDI FT232",
    (0x0403, 0x6010): "FTDI FT2232H",
    (0x0403, 0x6011): "FTDI FT4232H",
    (0x0403, 0x6014): "FTDI FT232H",
    (0x0403, 0x6015): "FTDI FT-X",
    (0x10C4, 0xEA60): "CP210x",
    (0x1A86, 0x7523): "CH340",
}
# An idle agent answers within milliseconds; a port may be one of four of the same adapter, all of them silent.
_HELLO_PATIENCE_S = 1.0


@dataclass(frozen=True)
class AttachedPort:
    """A serial port of a known adapter. trouble: why no board was found there, empty where there is one."""

    url: str
    adapter: str
    hello: Hello | None
    trouble: str = ""


def attached_ports(ports: Iterable[ListPortInfo] | None = None) -> tuple[AttachedPort, ...]:
    """Says HELLO at each port of a known adapter, by default all of this machine."""
    found = list_ports.comports() if ports is None else ports
    known = [port for port in found if (port.vid, port.pid) in ADAPTERS]
    return tuple(_asked(port.device, ADAPTERS[port.vid, port.pid]) for port in sorted(known, key=lambda p: p.device))


def only_board(ports: Iterable[ListPortInfo] | None = None) -> str:
    """The URL of the one board that is attached. Raises NoBoardError for none or several, and lists what there is."""
    asked = attached_ports(ports)
    boards = [port for port in asked if port.hello]
    if len(boards) == 1:
        return boards[0].url
    remedy = "name one with --board"
    if boards:
        names = ", ".join(f"{port.url} ({port.hello.board})" for port in boards if port.hello)
        raise NoBoardError(f"{len(boards)} boards are attached: {names}", expected="one", remedy=remedy)
    raise NoBoardError(
        f"no board is attached: {_troubles(asked)}",
        remedy=f"{remedy}; `python -m targets list` tells what can be emulated",
    )


def _troubles(asked: Sequence[AttachedPort]) -> str:
    if not asked:
        return "there is no serial port of an adapter that is known"
    return "; ".join(f"{port.url} ({port.adapter}): {port.trouble}" for port in asked)


def _asked(url: str, adapter: str) -> AttachedPort:
    try:
        with closing(SerialPort(url)) as transport:
            board = Board(transport, patience_s=_HELLO_PATIENCE_S, taken_patience_s=0)
            board.close()
    except (NoBoardError, LinkError, BoardError) as error:
        return AttachedPort(url, adapter, None, error.found)
    return AttachedPort(url, adapter, board.hello)
