"""Serial ports through pyserial: device names, `socket://HOST:PORT` and `rfc2217://HOST:PORT`.

A comma and a rate may follow the name of a port, where the agent's UART starts at another one than 115200 baud.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import sys
from contextlib import suppress
from urllib.parse import urlsplit

import serial

from isp.errors import ConfigError
from targets.errors import NoBoardError
from targets.transports import START_BAUD
from targets.transports.byte_stream import ByteStream

_SOCKET = "socket://"
_RFC2217 = "rfc2217://"


class SerialPort:
    """A port that is open; nobody else may open it meanwhile."""

    def __init__(self, url: str) -> None:
        """Raises NoBoardError if the port is not there, in use, or may not be opened; ConfigError for a TCP port with
        a rate, a URL without host or port, and a rate of 0."""
        self.description = url
        found = re.fullmatch(r"(.+),(\d+)", url)
        self._url, self._start_baud = (found[1], int(found[2])) if found else (url, START_BAUD)
        if found and self._url.startswith(_SOCKET):
            raise ConfigError(f"{url}: a TCP port has no baud rate", expected=self._url)
        if self._start_baud == 0:
            raise ConfigError(f"{url}: a rate of 0 baud", expected=f"such as {self._url},{START_BAUD}")
        if "://" in url and not _has_address(self._url):
            raise ConfigError(f"{url} lacks a host or a port", expected="such as socket://192.168.1.20:5555")
        self._port: serial.SerialBase | None = None
        self._stream: ByteStream | None = None
        try:
            self._open()
        except (OSError, ValueError) as error:
            raise _no_board(self._url, error) from error

    @property
    def baud(self) -> int | None:
        return None if self._url.startswith(_SOCKET) or self._port is None else int(self._port.baudrate)

    def read(self, timeout_s: float) -> bytes:
        if self._stream:
            return self._stream.read(timeout_s)
        port = self._opened()
        port.timeout = timeout_s
        first: bytes = port.read(1)
        return first + port.read(port.in_waiting) if first else b""

    def write(self, data: bytes) -> None:
        if self._stream:
            self._stream.write(data)
        else:
            self._opened().write(data)

    def set_baud(self, baud: int) -> None:
        port = self._opened()
        port.flush()
        try:
            port.baudrate = baud
        except ValueError as error:
            raise OSError(errno.EINVAL, f"{self.description} cannot do {baud} baud") from error

    def reopen(self) -> None:
        self.close()
        self._open()

    def close(self) -> None:
        port, self._port, self._stream = self._port, None, None
        if port is None:
            return
        with suppress(OSError):
            port.close()

    def _open(self) -> None:
        url, baud = self._url, self._start_baud
        if "://" in url:
            port = serial.serial_for_url(url, baudrate=baud, timeout=0)
        else:
            port = serial.Serial(url, baudrate=baud, timeout=0, exclusive=True)
        self._port = port
        if url.startswith(_SOCKET):
            _send_at_once(port.fileno())
        # rfc2217:// reads in a thread of its own and Windows has no descriptors to wait for; elsewhere pyserial's
        # read costs a system call for each byte that it finds at a socket.
        if not url.startswith(_RFC2217) and sys.platform != "win32":
            self._stream = ByteStream(port.fileno(), port.fileno())

    def _opened(self) -> serial.SerialBase:
        if self._port is None:
            raise OSError(errno.ENOTCONN, f"{self.description} is closed")
        return self._port


def _has_address(url: str) -> bool:
    parts = urlsplit(url)
    try:
        return bool(parts.hostname) and parts.port is not None
    except ValueError:  # no number, or beyond 65535
        return False


def _send_at_once(descriptor: int) -> None:
    """Without TCP_NODELAY, a small request would wait for the reply to the one before it."""
    with socket.socket(fileno=os.dup(descriptor)) as same:
        same.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _no_board(url: str, error: OSError | ValueError) -> NoBoardError:
    number = getattr(error, "errno", None)
    if number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK):
        return NoBoardError(f"{url} is used by another program", remedy="stop it, or wait until it ends")
    if number in (errno.EACCES, errno.EPERM):
        return NoBoardError(
            f"{url} may not be opened by this user",
            remedy="join the group that owns it (on Debian: sudo usermod -aG dialout $USER, then log in anew)",
        )
    if number == errno.ENOENT:
        return NoBoardError(f"there is no {url}", remedy="`python -m targets list` shows the ports that there are")
    if error.__context__ is not None and error.__context__.args[:1] == (errno.ENOTTY,):
        return NoBoardError(
            f"{url} cannot be opened: it is no serial port",
            remedy="`python -m targets list` shows the ports that there are",
        )
    return NoBoardError(f"{url} cannot be opened ({error})", remedy="check the name and that the board is on")
