"""Cables that lose, flip, insert and delay bytes, and that are cut: between two pseudo terminals, or two sockets.

Where faults fall in each direction's stream of bytes follows from the seed alone.
"""

from __future__ import annotations

import math
import os
import random
import select
import socket
import tempfile
import threading
import time
import tty
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_PIECE_BYTES = 4096
_MOST_BACKLOG_BYTES = 65536
_LONGEST_DELAY_S = 0.005
_TURN_S = 0.05
KINDS = ("drop", "flip", "insert", "delay")


@dataclass(frozen=True)
class Faults:
    """per_byte: chance of a fault at each byte, of a kind of `kinds`. cuts: bytes in both directions, counted from the
    start, after which the connection is cut."""

    per_byte: float = 0.0
    seed: int = 0
    kinds: tuple[str, ...] = KINDS
    cuts: tuple[int, ...] = ()


class _Way:
    """One direction: what has been read and not yet written, with the faults already in it."""

    def __init__(self, faults: Faults, name: str, counts: Counter[str]) -> None:
        self._random = random.Random(f"{faults.seed} {name}")
        self._faults = faults
        self._counts = counts
        self.backlog = bytearray()
        self.not_before_s = 0.0
        self._clean_bytes = self._gap()

    def _gap(self) -> float:
        """Clean bytes until the next fault: geometrically distributed."""
        if self._faults.per_byte <= 0:
            return math.inf
        return math.floor(math.log(1 - self._random.random()) / math.log1p(-self._faults.per_byte))

    def take(self, data: bytes) -> None:
        position = 0
        while self._clean_bytes < len(data) - position:
            end = position + int(self._clean_bytes)
            self.backlog += data[position:end]
            self._hurt(data[end])
            position = end + 1
            self._clean_bytes = self._gap()
        self.backlog += data[position:]
        self._clean_bytes -= len(data) - position

    def _hurt(self, byte: int) -> None:
        kind = self._random.choice(self._faults.kinds)
        self._counts[kind] += 1
        if kind == "flip":
            self.backlog.append(byte ^ 1 << self._random.randrange(8))
        elif kind == "insert":
            self.backlog += bytes([byte, self._random.randrange(256)])
        elif kind == "delay":
            self.backlog.append(byte)
            self.not_before_s = time.monotonic() + self._random.uniform(0, _LONGEST_DELAY_S)


@dataclass
class _Pump:
    """Carries bytes between two descriptors until one hangs up, the cable is cut, or it is told to stop."""

    faults: Faults
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._up = _Way(self.faults, "up", self.counts)
        self._down = _Way(self.faults, "down", self.counts)
        self._cuts = sorted(self.faults.cuts, reverse=True)
        self.carried_bytes = 0

    def carry(self, host_fd: int, board_fd: int, stopped: Callable[[], bool]) -> None:
        """Returns at a cut or a hang-up; what was on its way is lost."""
        ways = {host_fd: (self._up, board_fd), board_fd: (self._down, host_fd)}
        for descriptor in ways:
            os.set_blocking(descriptor, False)
        for way, _ in ways.values():
            way.backlog.clear()
        while not stopped():
            now = time.monotonic()
            wanting = [source for source, (way, _) in ways.items() if len(way.backlog) < _MOST_BACKLOG_BYTES]
            ready = [target for way, target in ways.values() if way.backlog and way.not_before_s <= now]
            waiting = any(way.backlog and way.not_before_s > now for way, _ in ways.values())
            readable, writable, _ = select.select(wanting, ready, [], 0.001 if waiting else _TURN_S)
            for source in readable:
                try:
                    data = os.read(source, _PIECE_BYTES)
                except BlockingIOError:
                    continue
                except OSError:
                    return
                if not data:
                    return
                ways[source][0].take(data)
                self.carried_bytes += len(data)
                if self._cuts and self.carried_bytes > self._cuts[-1]:
                    self._cuts.pop()
                    self.counts["cut"] += 1
                    return
            for way, target in ways.values():
                if target not in writable:
                    continue
                with suppress(BlockingIOError):
                    try:
                        del way.backlog[: os.write(target, way.backlog)]
                    except BlockingIOError:
                        raise
                    except OSError:
                        return


class PtyCable:
    """`host_path` and `board_path` are terminals; after a cut, `host_path` is another one, as a USB adapter's is that
    was unplugged."""

    def __init__(self, faults: Faults) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="cable-")
        self.host_path = Path(self._folder.name) / "tty"
        self._board_master, self._board_slave = _raw_terminal()
        self.board_path = os.ttyname(self._board_slave)
        self._host_fds = self._plug_in()
        self._pump = _Pump(faults)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def host_url(self) -> str:
        return str(self.host_path)

    @property
    def counts(self) -> Counter[str]:
        """Faults so far, by kind."""
        return self._pump.counts

    @property
    def carried_bytes(self) -> int:
        """Taken in so far, in both directions."""
        return self._pump.carried_bytes

    def close(self) -> None:
        self._ends.set()
        self._thread.join()
        for descriptor in (*self._host_fds, self._board_master, self._board_slave):
            os.close(descriptor)
        self._folder.cleanup()

    def __enter__(self) -> PtyCable:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _plug_in(self) -> tuple[int, int]:
        descriptors = _raw_terminal()
        fresh = self.host_path.with_name("fresh")
        fresh.symlink_to(os.ttyname(descriptors[1]))
        fresh.replace(self.host_path)
        return descriptors

    def _run(self) -> None:
        while not self._ends.is_set():
            self._pump.carry(self._host_fds[0], self._board_master, self._ends.is_set)
            if self._ends.is_set():
                return
            unplugged, self._host_fds = self._host_fds, self._plug_in()
            for descriptor in unplugged:
                os.close(descriptor)


class TcpCable:
    """Listens on a loopback port and carries bytes to that of a board."""

    def __init__(self, board_address: tuple[str, int], faults: Faults) -> None:
        self.board_address = board_address
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_TURN_S)
        self._pump = _Pump(faults)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def host_url(self) -> str:
        return f"socket://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def counts(self) -> Counter[str]:
        """Faults so far, by kind."""
        return self._pump.counts

    @property
    def carried_bytes(self) -> int:
        """Taken in so far, in both directions."""
        return self._pump.carried_bytes

    def close(self) -> None:
        self._ends.set()
        self._thread.join()
        self._listener.close()

    def __enter__(self) -> TcpCable:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                host, _ = self._listener.accept()
            except TimeoutError:
                continue
            with host, socket.create_connection(self.board_address) as board:
                for end in (host, board):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._pump.carry(host.fileno(), board.fileno(), self._ends.is_set)


def _raw_terminal() -> tuple[int, int]:
    """Master and slave of a pseudo terminal that changes no byte; the slave stays open lest the master hang up."""
    master, slave = os.openpty()
    tty.setraw(slave)
    return master, slave
