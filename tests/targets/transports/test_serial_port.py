"""Ports through pyserial: terminals, TCP sockets, and a true RFC 2217 server."""

from __future__ import annotations

import os
import socket
import threading
import tty
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import serial
from serial import rfc2217

from benchmarks.agent_process import agent_process
from isp.errors import ConfigError
from targets.errors import NoBoardError
from targets.link.client import Board
from targets.transports import START_BAUD, open_transport
from targets.transports.serial_port import SerialPort
from tests.targets.link.boards import address_of, check_job, opened
from tests.targets.link.reference_board import Behaviour, ReferenceBoard


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """A master, and the path of its slave."""
    master, slave = os.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_bytes_of_all_values(terminal: tuple[int, str]) -> None:
    master, path = terminal
    with closing(SerialPort(path)) as port:
        assert (port.description, port.baud) == (path, START_BAUD)
        port.write(bytes(range(256)))
        assert os.read(master, 1000) == bytes(range(256))
        os.write(master, bytes(range(256)))
        assert port.read(1) == bytes(range(256))
        assert port.read(0) == b""


def test_a_rate_is_set_and_a_reopened_port_has_the_first_one(terminal: tuple[int, str]) -> None:
    with closing(SerialPort(terminal[1])) as port:
        port.set_baud(921600)
        assert port.baud == 921600
        port.reopen()
        assert port.baud == START_BAUD


def test_another_rate_at_the_start(terminal: tuple[int, str]) -> None:
    with closing(open_transport(f"{terminal[1]},57600")) as port:
        assert (port.description, port.baud) == (f"{terminal[1]},57600", 57600)
        port.set_baud(921600)
        port.reopen()
        assert port.baud == 57600


def test_a_tcp_port_has_no_rate() -> None:
    with pytest.raises(ConfigError, match=r"a TCP port has no baud rate; expected socket://127\.0\.0\.1:1$"):
        open_transport("socket://127.0.0.1:1,57600")


@pytest.mark.parametrize("url", ["socket://127.0.0.1", "socket://:5555", "rfc2217://pc", "socket://pc:70000"])
def test_a_url_without_host_or_port(url: str) -> None:
    with pytest.raises(ConfigError, match=f"{url} lacks a host or a port; expected such as socket://"):
        open_transport(url)


def test_a_rate_of_nothing() -> None:
    with pytest.raises(ConfigError, match="a rate of 0 baud; expected such as /dev/ttyUSB7,115200"):
        open_transport("/dev/ttyUSB7,0")


def test_a_port_in_use(terminal: tuple[int, str]) -> None:
    with (
        closing(SerialPort(terminal[1])),
        pytest.raises(NoBoardError, match="is used by another program; stop it") as caught,
    ):
        SerialPort(terminal[1])
    assert caught.value.exit_code == 4


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NoBoardError, match=r"there is no .*ttyUSB7"):
        open_transport(str(tmp_path / "ttyUSB7"))


def test_a_file_that_is_no_port(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(NoBoardError, match="cannot be opened: it is no serial port"):
        SerialPort(str(path))


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(NoBoardError, match="refused"):
        open_transport(url)


def test_a_closed_port_may_be_closed_again_and_is_an_error_to_use(terminal: tuple[int, str]) -> None:
    port = SerialPort(terminal[1])
    port.close()
    port.close()
    with pytest.raises(OSError, match="is closed"):
        port.read(0)


def test_the_other_end_hangs_up() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, closing(SerialPort(f"socket://127.0.0.1:{server.getsockname()[1]}")) as port:
        assert port.baud is None
        connection, _ = server.accept()
        connection.close()
        with pytest.raises(OSError, match="hung up"):
            port.read(5)
        port.reopen()
        connection, _ = server.accept()
        connection.send(b"again")
        assert port.read(5) == b"again"
        connection.close()


def test_the_true_agent_over_tcp(agent: Path) -> None:
    with agent_process([agent, "--tcp", "0"]) as process:
        host, port = address_of(process)
        assert host == "127.0.0.1"
        with Board.open(f"socket://{host}:{port}") as board:
            check_job(board, 64)


class TerminalServer:
    """An RFC 2217 server for one connection, as in a box between a network and a serial port."""

    def __init__(self, cable: socket.socket) -> None:
        self.rates: list[int] = []
        self._cable = cable
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rfc2217://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        manager = rfc2217.PortManager(FakePort(self.rates), Sender(connection))
        down = threading.Thread(target=self._carry_down, args=(manager, connection), daemon=True)
        down.start()
        with connection, suppress(OSError):
            while data := connection.recv(4096):
                self._cable.sendall(b"".join(manager.filter(data)))

    def _carry_down(self, manager: rfc2217.PortManager, connection: socket.socket) -> None:
        with suppress(OSError):
            while data := self._cable.recv(4096):
                connection.sendall(b"".join(manager.escape(data)))

    def close(self) -> None:
        self._listener.close()


class Sender:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        self._connection.sendall(data)


class FakePort:
    """The server's serial port, as far as its settings go."""

    bytesize, parity, stopbits = serial.EIGHTBITS, serial.PARITY_NONE, serial.STOPBITS_ONE
    xonxoff = rtscts = dtr = rts = break_condition = False
    cts = dsr = ri = cd = True

    def __init__(self, rates: list[int]) -> None:
        self._rates = rates
        self._baudrate = 9600

    @property
    def baudrate(self) -> int:
        return self._baudrate

    @baudrate.setter
    def baudrate(self, rate: int) -> None:
        self._baudrate = rate
        self._rates.append(rate)

    def reset_input_buffer(self) -> None: ...

    def reset_output_buffer(self) -> None: ...


@contextmanager
def terminal_server(behaviour: Behaviour | None = None) -> Iterator[TerminalServer]:
    near, far = socket.socketpair()
    with near, far, ReferenceBoard(behaviour) as board:
        board.on_descriptor(far.fileno())
        with closing(TerminalServer(near)) as server:
            yield server


def test_jobs_over_rfc2217() -> None:
    with terminal_server() as server, opened(server.url) as board:
        for size in (16, 64):
            check_job(board, size)
        assert server.rates[-1] == START_BAUD
        assert board.link.baud == START_BAUD


def test_rates_over_rfc2217() -> None:
    with terminal_server(Behaviour(can_baud=lambda rate: rate <= 921600)) as server, opened(server.url) as board:
        assert board.negotiate_baud() == 921600
        assert server.rates[-1] == 921600
        check_job(board, 16)
