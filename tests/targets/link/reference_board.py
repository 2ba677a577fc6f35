"""The board's side of the link in Python: a small, honest one, that can be told to misbehave.

It works in a thread of its own, on the master end of a terminal or on a loopback port. Its "denoiser" is `denoised`.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
import tty
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from targets.core_features import CoreFeature
from targets.link import messages
from targets.link.frame import VERSION, Frame, FrameDecoder
from targets.link.messages import REPLY, Op, Status

SESSION_S = 3.0
BUNDLE_ID = bytes(range(16))
NAMES = ("dusk", "night", "noon", "slow")


def denoised(specialist: int, shot: Sequence[float], read: Sequence[float], tile: NDArray) -> NDArray:
    """What the board makes of a tile, as does tests/firmware_hooks/link/stub_fan.c."""
    return tile * np.float32(specialist + 1) + np.float32(shot[0]) - np.float32(read[2])


@dataclass
class Behaviour:
    """How the board is, and what is to go wrong."""

    board: str = "reference"
    abi: int = 2
    bundle_id: bytes = BUNDLE_ID
    core_features: CoreFeature = CoreFeature.NEON
    needed_features: CoreFeature = CoreFeature.NEON
    memory_bytes: int = 1 << 22
    version: int = VERSION
    max_payload: int = 1024
    block_bytes: int = 256
    window_bytes: int = 4096
    row_s: float = 0.0
    write_s: float = 0.0
    chatter: bytes = b""
    """Printed before each reply."""
    last_words: bytes = b""
    """Printed in the middle of a RUN, after which it is silent for ever."""
    silent: bool = False
    resets_after_writes: tuple[int, ...] = ()
    """Starts anew after so many WRITEs, counted from the start of the test."""
    crashes_in_runs: int = 0
    """Starts anew in the middle of so many RUNs."""
    crash_text: bytes = b""
    can_baud: Callable[[int], bool] = lambda _: False


@dataclass
class _Job:
    number: int = 0
    size_bytes: int = 0
    crc32: int = 0
    data: bytearray = field(default_factory=bytearray)
    there: set[int] = field(default_factory=set)
    committed: bool = False


@dataclass
class _Run:
    number: int
    request: messages.RunRequest
    output: bytes
    reply: Callable[[Frame], None]
    sequence: int
    rows_done: int = 0
    done: bool = False
    row_at_s: float = 0.0
    told_s: float = 0.0


class ReferenceBoard:
    """Answers until it is closed."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.behaviour = behaviour or Behaviour()
        self.received_write_bytes = 0
        self.baud = 115200
        self._writes = 0
        self._runs = 0
        self._boot = 0
        self._links: dict[int, FrameDecoder] = {}
        self._listener: socket.socket | None = None
        self._sockets: dict[int, socket.socket] = {}
        self._own_fds: list[int] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._start_anew()

    def on_terminal(self) -> str:
        """Starts to serve a terminal, whose path it returns."""
        master, slave = os.openpty()
        tty.setraw(slave)
        self._own_fds = [master, slave]
        return self.on_descriptor(master) or os.ttyname(slave)

    def on_descriptor(self, descriptor: int) -> None:
        self._links[descriptor] = FrameDecoder()
        self._thread.start()

    def on_tcp(self) -> tuple[str, int]:
        """Starts to serve a loopback port, whose address it returns."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread.start()
        return self._listener.getsockname()

    def close(self) -> None:
        self._ends.set()
        self._thread.join()
        for descriptor in self._own_fds:
            os.close(descriptor)
        for connection in self._sockets.values():
            connection.close()
        if self._listener:
            self._listener.close()

    def __enter__(self) -> ReferenceBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_anew(self) -> None:
        self._boot += 1
        self._host = 0
        self._session = 7 * self._boot
        self._alive = False
        self._heard_s = 0.0
        self._job = _Job()
        self._run: _Run | None = None

    def _serve(self) -> None:
        while not self._ends.is_set():
            running = self._run is not None and not self._run.done
            sources = [*self._links, *([self._listener.fileno()] if self._listener else [])]
            for source in select.select(sources, [], [], 0.001 if running else 0.02)[0]:
                self._read(source)
            if self._run and not self._run.done:
                self._advance(self._run)

    def _read(self, source: int) -> None:
        if self._listener and source == self._listener.fileno():
            connection, _ = self._listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets[connection.fileno()] = connection
            self._links[connection.fileno()] = FrameDecoder()
            return
        try:
            data = os.read(source, 65536)
        except OSError:
            data = b""
        if not data:
            self._links.pop(source)
            if connection := self._sockets.pop(source, None):
                connection.close()
            return
        for frame in self._links[source].feed(data):
            if isinstance(frame, Frame) and not self.behaviour.silent:
                self._handle(frame, lambda reply: self._write(source, reply))

    def _write(self, target: int, reply: Frame) -> None:
        try:
            _write_all(target, self.behaviour.chatter + reply.encode())
        except OSError:
            return

    def _handle(self, frame: Frame, send: Callable[[Frame], None]) -> None:
        def reply(status: Status, payload: bytes = b"", arg: int = frame.arg) -> None:
            send(Frame(frame.op | REPLY, status, frame.sequence, arg, payload, self.behaviour.version))

        if frame.op == Op.HELLO:
            self._hello(frame, reply)
        elif frame.session_or_status != self._session or not self._alive:
            reply(Status.TAKEN, struct.pack("<I", self._free_in_ms()))
        else:
            self._heard_s = time.monotonic()
            if frame.op == Op.RUN:
                self._begin_run(frame, reply, send)
            else:
                self._answer(frame, reply)

    def _free_in_ms(self) -> int:
        left_s = SESSION_S - (time.monotonic() - self._heard_s)
        return int(1000 * max(0.0, left_s)) if self._alive else 0

    def _hello(self, frame: Frame, reply: Callable[..., None]) -> None:
        host = messages.HelloRequest.parse(frame.payload).host_id
        if self.behaviour.version != VERSION:
            reply(Status.BAD_VERSION)
            return
        if host != self._host and self._free_in_ms():
            reply(Status.TAKEN, struct.pack("<I", self._free_in_ms()))
            return
        if host != self._host or not self._alive:
            self._session = self._session % 255 + 1
        self._host, self._alive, self._heard_s = host, True, time.monotonic()
        b = self.behaviour
        facts = messages.Hello(
            b.max_payload,
            b.block_bytes,
            b.window_bytes,
            b.abi,
            self._boot,
            1_000_000,
            b.core_features,
            b.needed_features,
            b.memory_bytes,
            len(NAMES),
            b.bundle_id,
            b.board,
            "python",
            "test",
        )
        reply(Status.OK, facts.pack(), self._session)

    def _answer(self, frame: Frame, reply: Callable[..., None]) -> None:
        job = self._job
        if frame.op == Op.BYE:
            self._alive = False
            reply(Status.OK)
        elif frame.op == Op.DESCRIBE:
            if frame.arg >= len(NAMES):
                reply(Status.BAD_ARGUMENT)
            else:
                reply(Status.OK, messages.SpecialistFacts(96, 1000, bytes(32), NAMES[frame.arg]).pack())
        elif frame.op == Op.ECHO:
            reply(Status.OK, frame.payload)
        elif frame.op == Op.STATS:
            reply(Status.OK, messages.BoardStatistics(0, 0, 0, 0, 0, self._runs, 0, 0).pack())
        elif frame.op == Op.BAUD:
            can = self.behaviour.can_baud(frame.arg)
            reply(Status.OK if can else Status.BAD_ARGUMENT)
            self.baud = frame.arg if can else self.baud
        elif frame.op == Op.OPEN:
            self._open(messages.OpenRequest.parse(frame.payload), reply)
        elif not job.number:
            reply(Status.BAD_STATE)
        elif frame.op == Op.QUERY:
            reply(Status.OK, self._bitmap()[frame.arg : frame.arg + self.behaviour.max_payload])
        elif frame.op == Op.WRITE:
            self._write_blocks(frame, reply)
        elif frame.op == Op.COMMIT:
            self._commit(reply)
        elif frame.op == Op.READ:
            read = messages.ReadRequest.parse(frame.payload)
            if self._run is None or not self._run.done or read.job != self._run.number:
                reply(Status.BAD_STATE)
            else:
                reply(Status.OK, self._run.output[frame.arg : frame.arg + read.count])
        else:
            reply(Status.BAD_OP)

    def _open(self, request: messages.OpenRequest, reply: Callable[..., None]) -> None:
        if 2 * request.size_bytes > self.behaviour.memory_bytes:
            reply(Status.NO_MEMORY, b"", self.behaviour.memory_bytes)
            return
        if (self._job.number, self._job.size_bytes, self._job.crc32) != (
            request.job,
            request.size_bytes,
            request.crc32,
        ):
            self._job = _Job(request.job, request.size_bytes, request.crc32, bytearray(request.size_bytes))
            self._run = None
        reply(Status.OK, self._bitmap()[: self.behaviour.max_payload])

    def _bitmap(self) -> bytes:
        blocks = -(-self._job.size_bytes // self.behaviour.block_bytes)
        bitmap = bytearray(-(-blocks // 8))
        for block in self._job.there:
            bitmap[block // 8] |= 1 << block % 8
        return bytes(bitmap)

    def _write_blocks(self, frame: Frame, reply: Callable[..., None]) -> None:
        size, end = self.behaviour.block_bytes, frame.arg + len(frame.payload)
        if (
            frame.arg % size
            or end > self._job.size_bytes
            or (len(frame.payload) % size and end != self._job.size_bytes)
        ):
            reply(Status.BAD_ARGUMENT)
            return
        time.sleep(self.behaviour.write_s)
        self._writes += 1
        self.received_write_bytes += len(frame.payload)
        if self._writes in self.behaviour.resets_after_writes:
            self._start_anew()
            return
        self._job.data[frame.arg : end] = frame.payload
        self._job.there.update(range(frame.arg // size, -(-end // size)))
        reply(Status.OK)

    def _commit(self, reply: Callable[..., None]) -> None:
        job = self._job
        if len(job.there) < -(-job.size_bytes // self.behaviour.block_bytes):
            reply(Status.MISSING)
        elif zlib.crc32(job.data) != job.crc32:
            job.there.clear()
            reply(Status.BAD_CRC)
        else:
            job.committed = True
            reply(Status.OK)

    def _begin_run(self, frame: Frame, reply: Callable[..., None], send: Callable[[Frame], None]) -> None:
        request = messages.RunRequest.parse(frame.payload)
        if not self._job.committed or frame.arg != self._job.number:
            reply(Status.BAD_STATE)
            return
        if self.behaviour.needed_features & ~self.behaviour.core_features:
            reply(Status.UNSUPPORTED)
            return
        if self._run is None or (self._run.number, self._run.request) != (frame.arg, request):
            if request.width % 16 or request.height % 16:
                reply(Status.RUN_FAILED, b"", 2)
                return
            tile = np.frombuffer(self._job.data, "<f4").reshape(request.height, request.width)
            output = denoised(request.specialist, request.shot, request.read, tile).tobytes()
            self._run = _Run(frame.arg, request, output, send, frame.sequence, row_at_s=time.monotonic())
        self._run.reply, self._run.sequence = send, frame.sequence
        if self._run.done:
            self._tell_done(self._run)
        else:
            reply(Status.BUSY, b"", self._run.rows_done)

    def _advance(self, run: _Run) -> None:
        now = time.monotonic()
        while run.rows_done < run.request.height and run.row_at_s <= now:
            run.rows_done += 1
            run.row_at_s += self.behaviour.row_s
        if run.rows_done >= run.request.height // 2 and self._fails():
            return
        if run.rows_done >= run.request.height:
            run.done = True
            self._runs += 1
            self._tell_done(run)
        elif now - run.told_s > 0.2:
            run.told_s = now
            run.reply(Frame(Op.RUN | REPLY, Status.BUSY, run.sequence, run.rows_done))

    def _fails(self) -> bool:
        behaviour = self.behaviour
        if behaviour.last_words:
            self.say(behaviour.last_words)
            behaviour.silent = True
            self._run = None
        elif behaviour.crashes_in_runs:
            behaviour.crashes_in_runs -= 1
            self.say(behaviour.crash_text)
            self._start_anew()
        else:
            return False
        return True

    def say(self, text: bytes) -> None:
        """Prints on all links."""
        for link in self._links:
            _write_all(link, text)

    def _tell_done(self, run: _Run) -> None:
        facts = messages.RunReply(1500, 4096, zlib.crc32(run.output), len(run.output))
        run.reply(Frame(Op.RUN | REPLY, Status.OK, run.sequence, run.number, facts.pack()))


def _write_all(target: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        select.select([], [target], [], 1.0)
        rest = rest[os.write(target, rest) :]
