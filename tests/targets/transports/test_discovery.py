"""Boards among the serial ports of this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from serial.tools.list_ports_common import ListPortInfo

from targets.errors import NoBoardError
from targets.transports import discovery
from targets.transports.discovery import AttachedPort, attached_ports, only_board
from targets.transports.serial_port import SerialPort
from tests.targets.link.boards import opened
from tests.targets.link.reference_board import Behaviour, ReferenceBoard

ST_LINK = (0x0483, 0x374B)


def port(device: str, numbers: tuple[int, int] | tuple[None, None] = ST_LINK) -> ListPortInfo:
    info = ListPortInfo(device)
    info.vid, info.pid = numbers
    return info


@pytest.fixture
def board() -> Iterator[str]:
    with ReferenceBoard(Behaviour(board="nucleo")) as reference:
        yield reference.on_terminal()


@pytest.fixture
def silent() -> Iterator[str]:
    with ReferenceBoard(Behaviour(silent=True)) as reference:
        yield reference.on_terminal()


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "_HELLO_PATIENCE_S", 0.3)


def test_a_board_is_found_and_told_from_what_is_silent(board: str, silent: str) -> None:
    found, quiet = attached_ports([port(board), port(silent, (0x0403, 0x6011))])
    assert (found.url, found.adapter, found.trouble) == (board, "ST-LINK/V2-1", "")
    assert found.hello is not None
    assert found.hello.board == "nucleo"
    assert quiet == AttachedPort(silent, "FTDI FT4232H", None, f"no agent answers at {silent}")
    assert only_board([port(board), port(silent)]) == board


def test_a_board_is_free_again_afterwards(board: str) -> None:
    attached_ports([port(board)])
    with opened(board, taken_patience_s=0):
        pass


def test_ports_of_other_devices_are_not_disturbed(board: str) -> None:
    assert attached_ports([port(board, (0x1199, 0x9071)), port(board, (None, None))]) == ()


def test_a_busy_port_is_listed_as_such(board: str) -> None:
    held = SerialPort(board)
    (busy,) = attached_ports([port(board)])
    held.close()
    assert busy.hello is None
    assert busy.trouble == f"{board} is used by another program"


def test_none_is_an_error_that_lists_what_there_is(silent: str) -> None:
    with pytest.raises(NoBoardError, match="no serial port of an adapter that is known; name one with --board"):
        only_board([])
    with pytest.raises(NoBoardError, match=rf"{silent} \(ST-LINK/V2-1\): no agent answers"):
        only_board([port(silent)])


def test_several_are_an_error_that_lists_them(board: str) -> None:
    expected = pytest.raises(NoBoardError, match=r"2 boards are attached: .*\(nucleo\).*disco.*; expected one")
    with ReferenceBoard(Behaviour(board="disco")) as other, expected:
        only_board([port(board), port(other.on_terminal())])


def test_this_machine_is_asked_by_default(board: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery.list_ports, "comports", lambda: [port(board)])
    assert only_board() == board
