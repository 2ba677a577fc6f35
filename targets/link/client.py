"""A board at the other end of a link: what `targets validate` and the ISP's board backend work with.

A job (one tile) is a chain of requests that may each be repeated: OPEN, WRITE, COMMIT, RUN, READ. Whatever happens on
the way - a cut cable, a killed host, a board that starts anew, another host in between - the chain begins again with
OPEN, whose reply says what is there, and goes on with what is missing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from isp.errors import UserError
from targets.descriptions import Target
from targets.errors import (
    BoardCrashedError,
    BoardTakenError,
    LinkError,
    LinkTimeoutError,
    NoBoardError,
)
from targets.link.exchange import PATIENCE_S, Exchange, HungUpError, RefusedError, quoted
from targets.link.frame import Frame, wire_bytes
from targets.link.job import Job
from targets.link.messages import (
    BoardStatistics,
    Hello,
    HelloRequest,
    MalformedReplyError,
    Op,
    RunReply,
    RunRequest,
    SpecialistFacts,
    Status,
    taken_wait_s,
)
from targets.link.refusals import explained
from targets.link.transfer import Request
from targets.transports import Transport, open_transport

Result = TypeVar("Result")

GREETING_PATIENCE_S = 5.0
TAKEN_PATIENCE_S = 8.0
_TAKEN_PAUSE_S = 0.25
_MOST_RECOVERIES = 40
_MOST_RESETS = 3


@dataclass(frozen=True)
class LinkStatistics:
    """How the link has done since it was opened. `targets.link.exchange.Counters` explains what has no text here."""

    bytes_sent: int
    bytes_received: int
    frames_sent: int
    frames_received: int
    retransmits: int
    repeated_in_vain: int
    bad_frames: int
    busy_replies: int
    write_bytes: int
    reconnects: int
    """Times that the connection was gone and made anew."""
    resets: int
    """Times that the board had started anew."""
    baud: int | None
    """None where the transport has no such rate."""
    console: tuple[str, ...]
    """What the board printed between frames, the latest thousand lines."""


@dataclass(frozen=True)
class BoardRun:
    """What became of one tile.

    output: float32 [H, W], as the tile. ticks: of the board's clock, for the library's work alone; seconds: the same.
    arena_bytes: working memory that was used.
    """

    output: NDArray[np.float32]
    ticks: int
    seconds: float
    arena_bytes: int


@dataclass(frozen=True)
class IntegersRun:
    """What an NPU made of the integers that it was given; ticks, seconds, arena_bytes as in `BoardRun`."""

    output: bytes
    ticks: int
    seconds: float
    arena_bytes: int


class Board:
    """A board whose agent answers. Use it in a `with` block."""

    hello: Hello
    """What the board says of itself."""

    def __init__(
        self, transport: Transport, *, patience_s: float = PATIENCE_S, taken_patience_s: float = TAKEN_PATIENCE_S
    ) -> None:
        """Says HELLO; on an error the transport stays the caller's. Raises what `open` raises.

        patience_s: silence after which the link counts as failed. taken_patience_s: time to wait for another host to
        let go of the board.
        """
        self._exchange = Exchange(transport, patience_s=patience_s)
        self._start_baud = transport.baud
        self._taken_patience_s = taken_patience_s
        self._host_id = random.SystemRandom().getrandbits(64) or 1
        self._reconnects = 0
        self._resets = 0
        self._last_job_number = 0
        self._boot_id: int | None = None
        self._exchange.patience_s = min(GREETING_PATIENCE_S, patience_s)
        try:
            self._greet()
        except (LinkTimeoutError, HungUpError) as error:
            raise self._nobody() from error
        self._exchange.patience_s = patience_s

    @classmethod
    def open(
        cls,
        url: str,
        *,
        bundle: Path | None = None,
        target: Target | None = None,
        patience_s: float = PATIENCE_S,
    ) -> Board:
        """Opens the transport of a URL (`targets.transports`) and says HELLO.

        bundle: the folder whose agent is to run there, where the transport is to build it; it does not check what the
        board carries. target: what that was compiled for, where it does not come with the program.
        patience_s: silence after which the link counts as failed.

        Raises ConfigError for a bad URL, NoBoardError if nobody answers or another host keeps the board, LinkError if
        it does so in another version, BoardError if it died.
        """
        transport = open_transport(url, bundle=bundle, target=target)
        try:
            return cls(transport, patience_s=patience_s)
        except BaseException:
            transport.close()
            raise

    @property
    def link(self) -> LinkStatistics:
        return LinkStatistics(
            **asdict(self._exchange.counters),
            reconnects=self._reconnects,
            resets=self._resets,
            baud=self._exchange.transport.baud,
            console=self._exchange.console.lines,
        )

    def describe(self, specialist: int) -> SpecialistFacts:
        """Raises BoardError if there is no such specialist."""
        return self._surviving(lambda: SpecialistFacts.parse(self._call(Op.DESCRIBE, specialist).payload))

    def stats(self) -> BoardStatistics:
        """The board's own count."""
        return self._surviving(lambda: BoardStatistics.parse(self._call(Op.STATS).payload))

    def echo(self, payload: bytes) -> bytes:
        """There and back; at most `hello.max_payload` bytes."""
        return self._surviving(lambda: self._call(Op.ECHO, 0, payload, len(payload)).payload)

    def run(self, specialist: int, shot: Sequence[float], read: Sequence[float], tile: NDArray[np.float32]) -> BoardRun:
        """Denoises a tile on the board.

        shot, read: of R, G and B. tile: CFA mosaic float32 [H, W] in the order R G / G B, black 0, white 1, before
        white balance; sides as the library demands.

        Raises BoardError if the board refuses it or dies of it, LinkError if bytes no longer get through, NoBoardError
        if another host has taken the board meanwhile.
        """
        height, width = tile.shape
        data = np.ascontiguousarray(tile, dtype="<f4").tobytes()
        request = RunRequest(specialist, (shot[0], shot[1], shot[2]), (read[0], read[1], read[2]), width, height)
        reply, output = self._work(request, data)
        return BoardRun(
            np.frombuffer(output, dtype="<f4").astype(np.float32).reshape(height, width),
            reply.ticks,
            reply.ticks / self.hello.tick_hz,
            reply.arena_bytes,
        )

    def run_integers(self, specialist: int, data: bytes) -> IntegersRun:
        """Has the board's NPU work on integers as they are.

        data: little-endian, in the layout of the network's input. Raises what `run` raises.
        """
        reply, output = self._work(RunRequest(specialist, (0.0,) * 3, (0.0,) * 3, 0, 0), data)
        return IntegersRun(output, reply.ticks, reply.ticks / self.hello.tick_hz, reply.arena_bytes)

    def _work(self, request: RunRequest, data: bytes) -> tuple[RunReply, bytes]:
        job = Job.of(request, data, self._last_job_number)
        self._exchange.console.begin_job()
        reply, output = self._surviving(lambda: job.work(self._exchange, self.hello))
        self._last_job_number = job.number
        return reply, output

    def negotiate_baud(self) -> int | None:
        """Raises the rate as far as both sides and the cable allow; returns it, None where there is none."""
        from targets.link.baud import negotiate

        start_baud = self._start_baud
        if start_baud is None:
            return None
        return self._surviving(lambda: negotiate(self._exchange, self._greet, self.hello.max_payload, start_baud))

    def close(self) -> None:
        """Lets go of the board and closes the transport."""
        # Nobody waits for the answer: the session would die by itself.
        with suppress(HungUpError, UserError):
            self._exchange.post(Request(Op.BYE, 0))
        self._exchange.transport.close()

    def __enter__(self) -> Board:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, op: Op, arg: int = 0, payload: bytes = b"", reply_payload_bytes: int = 0) -> Frame:
        return self._exchange.call(Request(op, arg, payload, reply_payload_bytes))

    def _greet(self) -> None:
        """Says HELLO until the board is free. Raises BoardTakenError."""
        deadline = time.monotonic() + self._taken_patience_s
        self._exchange.session = 0
        while True:
            try:
                reply = self._call(Op.HELLO, 0, HelloRequest(self._host_id).pack())
                break
            except RefusedError as refusal:
                if refusal.status != Status.TAKEN:
                    raise LinkError(
                        f"{self._exchange.transport.description} answers HELLO with {refusal.status_name}"
                    ) from refusal
                if time.monotonic() >= deadline:
                    raise BoardTakenError(
                        f"another host works with the board at {self._exchange.transport.description}",
                        remedy="wait for it or stop it",
                    ) from refusal
                time.sleep(min(taken_wait_s(refusal.payload), _TAKEN_PAUSE_S))
        try:
            hello = Hello.parse(reply.payload)
        except MalformedReplyError as error:
            raise LinkError(f"{self._exchange.transport.description}: {error}") from error
        self._resets += self._boot_id not in (None, hello.boot_id)
        self._boot_id = hello.boot_id
        self.hello = hello
        self._exchange.session = reply.arg & 0xFF
        self._exchange.window_bytes = hello.window_bytes
        self._exchange.chunk.limit(min(hello.max_payload, hello.window_bytes - wire_bytes(0)))

    def _surviving(self, attempt: Callable[[], Result]) -> Result:
        """Does something that may be repeated until it goes through."""
        resets_before = self._resets
        for _ in range(_MOST_RECOVERIES):
            try:
                return attempt()
            except HungUpError:
                self._recover(self._reconnect)
            except RefusedError as refusal:
                if refusal.status in (Status.TAKEN, Status.BAD_STATE):
                    self._recover(self._greet)
                elif refusal.status not in (Status.MISSING, Status.BAD_CRC):
                    raise explained(refusal, self.hello, self._exchange.console.lines) from refusal
            except LinkTimeoutError:
                if self._exchange.transport.baud == self._start_baud:
                    raise
                self._recover(self._slow_down)
            except MalformedReplyError as error:
                raise LinkError(f"{self.hello.board}: {error}") from error
            self._check_resets(self._resets - resets_before)
        raise LinkError(
            f"{self._exchange.transport.description}: the work was begun {_MOST_RECOVERIES} times and never ended",
            remedy="check the cable and the board's supply",
        )

    def _recover(self, step: Callable[[], None]) -> None:
        """A step of recovery, during which the connection may be lost again."""
        with suppress(HungUpError):  # the next attempt meets it again
            step()

    def _reconnect(self) -> None:
        self._exchange.reconnect()
        self._reconnects += 1
        self._greet()

    def _slow_down(self) -> None:
        """Back to the rate of the start, to which the board falls back, too, when it hears nothing it knows."""
        if self._start_baud is not None:
            self._exchange.transport.set_baud(self._start_baud)
        self._greet()

    def _check_resets(self, resets: int) -> None:
        last_words = self._exchange.console.last_words
        if resets and last_words:
            raise BoardCrashedError(f"{self.hello.board} crashed and started anew; it said {quoted(last_words)}")
        if resets > _MOST_RESETS:
            raise BoardCrashedError(
                f"{self.hello.board} started anew {resets} times in the middle of the same work",
                remedy="check its supply, its watchdog and the size of its stack",
            )

    def _at_rate(self) -> str:
        return "" if self._start_baud is None else f" and {self._start_baud} baud its rate at the start"

    def _nobody(self) -> NoBoardError:
        where, lines = self._exchange.transport.description, self._exchange.console.lines
        if lines:
            return NoBoardError(
                f"no agent answers at {where}, where something says {quoted(lines[-3:])}",
                remedy="start the agent; if a login console has the port, turn it off",
            )
        return NoBoardError(
            f"no agent answers at {where}",
            remedy=f"check that the board is on, that its agent runs, and that this is its port{self._at_rate()}",
        )
