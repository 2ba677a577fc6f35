"""The agent as a program, at the other end of a cable."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.firmware_hooks.link.programs import Event
from tests.firmware_hooks.link.wire import BUSY, frames_of

TIMEOUT_S = 30.0


@dataclass
class Cable:
    """File descriptors to an agent. Whatever it says must be frames, each a reply that is waited for."""

    read_file: int
    write_file: int
    goes_on: bool = False
    pending: bytes = b""

    def receive(self, data: bytes, link: int = 0) -> list[Event]:
        self.send(data)
        return [self.next_frame()]

    def poll(self, link: int = 0) -> list[Event]:
        event = self.next_frame()
        (frame,) = frames_of(event.data)
        self.goes_on = frame.session_or_status == BUSY
        return [event]

    def send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.write_file, data) :]

    def next_frame(self) -> Event:
        end_s = time.monotonic() + TIMEOUT_S
        while b"\0" not in self.pending:
            assert self.can_read(end_s - time.monotonic()), "no reply"
            data = os.read(self.read_file, 65536)
            assert data, "the agent closed the connection"
            self.pending += data
        frame, _, self.pending = self.pending.partition(b"\0")
        return Event("w", 0, frame + b"\0")

    def can_read(self, timeout_s: float) -> bool:
        return bool(select.select([self.read_file], [], [], max(0.0, timeout_s))[0])


@dataclass
class Program:
    """A running agent."""

    process: subprocess.Popen[bytes]

    def message(self) -> str:
        """Its next line on standard error."""
        assert self.process.stderr
        ready = select.select([self.process.stderr], [], [], TIMEOUT_S)[0]
        assert ready, "it says nothing"
        return self.process.stderr.readline().decode().rstrip("\n")

    @property
    def cable(self) -> Cable:
        """Its standard streams."""
        return Cable(_file(self.process.stdout), _file(self.process.stdin))


def _file(stream: IO[bytes] | None) -> int:
    assert stream
    return stream.fileno()


@contextmanager
def running(program: Path, *arguments: str | Path) -> Iterator[Program]:
    """Ends it; it must not have been stopped by a sanitizer before."""
    pipe = subprocess.PIPE
    with subprocess.Popen([program, *arguments], stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0) as process:
        try:
            yield Program(process)
            assert process.poll() in (None, 0)
        finally:
            process.kill()


@contextmanager
def connected(port: int) -> Iterator[Cable]:
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        connection.setblocking(True)
        yield Cable(connection.fileno(), connection.fileno())


@contextmanager
def opened(path: str) -> Iterator[Cable]:
    """A serial port, raw."""
    port = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(port, termios.TCSANOW)
        yield Cable(port, port)
    finally:
        os.close(port)
