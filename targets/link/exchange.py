"""Requests and replies over a transport that loses, changes and adds bytes.

The board answers in the order of arrival, so a reply tells that whatever was sent before it and has no reply is lost:
that alone is sent again (selective repeat), at once. Where nothing comes at all, something short is sent after a time,
and its reply tells of the others. Each transmission has a sequence number of its own, so a late reply is
recognised and counts. No more bytes are under way than the board can buffer.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from targets.errors import BoardCrashedError, LinkError, LinkTimeoutError, LinkVersionError
from targets.link.console import Console
from targets.link.flight import Errand, Flight, Sent
from targets.link.frame import VERSION, Debris, Frame, FrameDecoder, wire_bytes
from targets.link.messages import REPLY, Op, Status
from targets.link.round_trip import RoundTrip
from targets.link.transfer import Call, ChunkSize, Request, Task
from targets.transports import Transport

PATIENCE_S = 10.0
# A board says BUSY four times a second, unless a row takes longer than that.
_FIRST_BUSY_PATIENCE_S = 0.3
_LONGEST_BUSY_PATIENCE_S = 2.0
_FORGETTING = 0.8
_CRASH_SILENCE_S = 1.0
# Without a byte for so long, no frame is under way.
_QUIET_S = 0.2
_LEAST_TRIES = 2
_REOPEN_PAUSE_S = 0.05
_WINDOW_BEFORE_HELLO_BYTES = 256


class HungUpError(Exception):
    """The connection is gone; it may be made anew."""


class RefusedError(Exception):
    """The board answered, and not with OK."""

    def __init__(self, request: Request, reply: Frame) -> None:
        self.request = request
        self.status = reply.session_or_status
        self.arg = reply.arg
        self.payload = reply.payload
        super().__init__(f"{request.op.name}: {self.status_name}")

    @property
    def status_name(self) -> str:
        return Status(self.status).name if self.status in list(Status) else f"status {self.status}"


@dataclass
class Counters:
    """Of all that went over the link since it was opened."""

    bytes_sent: int = 0
    bytes_received: int = 0
    frames_sent: int = 0
    frames_received: int = 0
    retransmits: int = 0
    """Requests sent again because they or their replies were lost."""
    repeated_in_vain: int = 0
    """Requests sent again although their replies were on their way."""
    bad_frames: int = 0
    """Pieces received that are neither a frame nor text."""
    busy_replies: int = 0
    write_bytes: int = 0
    """Bytes of jobs' inputs, sent in WRITEs."""


class Exchange:
    """Carries requests over a transport, one task at a time."""

    def __init__(self, transport: Transport, *, patience_s: float = PATIENCE_S) -> None:
        """patience_s: silence after which the link counts as failed."""
        self.transport = transport
        self.patience_s = patience_s
        self.session = 0
        self.window_bytes = _WINDOW_BEFORE_HELLO_BYTES
        self.chunk = ChunkSize()
        self.console = Console()
        self.counters = Counters()
        self._decoder = FrameDecoder()
        self._round_trip = RoundTrip()
        self._busy_patience_s = _FIRST_BUSY_PATIENCE_S
        self._bytes_at_s = 0.0
        # Replies to a process that was killed may still be on their way to this one.
        self._sequence = random.SystemRandom().randrange(1 << 16)
        self._delimit = True
        self._flight = Flight()

    def call(self, request: Request) -> Frame:
        """The reply to one request; raises what `perform` raises."""
        call = Call(request)
        self.perform(call)
        if call.reply is None:
            raise AssertionError("a task that ended is answered")
        return call.reply

    def perform(self, task: Task) -> None:
        """Sends a task's requests until all are answered.

        Raises RefusedError at the first reply that is not OK, HungUpError when the connection is gone,
        LinkTimeoutError after silence for `patience_s`, BoardCrashedError if that follows a crash's last words, and
        LinkVersionError for a reply of another version.
        """
        self._flight.clear()
        held: Request | None = None
        heard_at = waiting_since = time.monotonic()
        tries = 0
        while True:
            while held := held or task.take(self.chunk.now_bytes):
                if not self._flight.has_room(held, self.window_bytes):
                    break
                if self._flight.is_empty():
                    waiting_since = time.monotonic()
                self._send(Errand(held))
                held = None
            if self._flight.is_answered():
                return
            frames = self._receive(waiting_since + self._timeout_s(tries) - time.monotonic())
            now = time.monotonic()
            answers = sum(self._answer(task, frame, now) for frame in frames)
            if answers:
                heard_at = waiting_since = now
                tries = 0
            elif now >= waiting_since + self._timeout_s(tries):
                self._check_silence(now - heard_at, tries)
                self._probe()
                waiting_since = now
                tries += 1

    def reconnect(self) -> None:
        """Makes the connection anew. Raises LinkError if that cannot be done within `patience_s`."""
        deadline = time.monotonic() + self.patience_s
        while True:
            try:
                self.transport.reopen()
            except OSError as error:
                if time.monotonic() > deadline:
                    raise LinkError(
                        f"the connection to {self.transport.description} was lost and cannot be made again ({error})",
                        remedy="check the cable and that the board is on",
                    ) from error
                time.sleep(_REOPEN_PAUSE_S)
            else:
                break
        self._decoder.reset()
        self._delimit = True

    def post(self, request: Request) -> None:
        """Sends a request without waiting for the reply. Raises HungUpError."""
        self._send(Errand(request))

    def _send(self, errand: Errand) -> None:
        request = errand.request
        self._sequence = (self._sequence + 1) & 0xFFFF
        frame = Frame(request.op, self.session, self._sequence, request.arg, request.payload).encode()
        errand.copies += 1
        reply_bytes = wire_bytes(request.reply_payload_bytes)
        sent = Sent(errand, errand.copies, time.monotonic(), len(frame), reply_bytes)
        self._flight.add(self._sequence, sent)
        if self._delimit:
            frame = b"\0" + frame
            self._delimit = False
        self.counters.frames_sent += 1
        self.counters.bytes_sent += len(frame)
        if request.op is Op.WRITE:
            self.counters.write_bytes += len(request.payload)
        try:
            self.transport.write(frame)
        except OSError as error:
            raise HungUpError(str(error)) from error

    def _receive(self, timeout_s: float) -> Sequence[Frame]:
        try:
            data = self.transport.read(max(0.0, timeout_s))
        except OSError as error:
            raise HungUpError(str(error)) from error
        if data:
            self._bytes_at_s = time.monotonic()
            self.counters.bytes_received += len(data)
        frames = []
        for piece in self._decoder.feed(data):
            if isinstance(piece, Debris):
                self._keep_text(piece)
            else:
                self.counters.frames_received += 1
                frames.append(piece)
        return frames

    def _keep_text(self, debris: Debris) -> None:
        if not self.console.add(debris.data):
            self.counters.bad_frames += 1

    def _answer(self, task: Task, frame: Frame, now: float) -> bool:
        """Handles a reply; False if it is none to what is under way."""
        sent = self._flight.find(frame.sequence)
        if sent is None or frame.op != sent.errand.request.op | REPLY:
            return False
        if frame.version != VERSION or frame.session_or_status == Status.BAD_VERSION:
            raise LinkVersionError(
                f"{self.transport.description} speaks version {frame.version} of the link",
                expected=f"version {VERSION}",
                remedy="build its agent and this program from the same source",
            )
        self._give_up_before(task, frame.sequence)
        errand = sent.errand
        self._note_repeat(sent, frame.session_or_status)
        if frame.session_or_status == Status.BUSY:
            self.counters.busy_replies += 1
            errand.busy = True
            return True
        self._flight.remove(frame.sequence)
        if errand.answered:
            return True
        errand.answered = True
        if frame.session_or_status != Status.OK:
            raise RefusedError(errand.request, frame)
        if errand.busy:
            self._busy_patience_s = max(_FORGETTING * self._busy_patience_s, _FIRST_BUSY_PATIENCE_S)
        else:
            self._round_trip.sample(now - sent.at_s, sent.request_bytes + sent.reply_bytes)
        if errand.request.op in (Op.WRITE, Op.READ):
            self.chunk.arrived()
        task.accept(errand.request, frame)
        return True

    def _note_repeat(self, sent: Sent, status: int) -> None:
        """Some replies tell that a request was repeated or probed too soon, and nothing was lost."""
        errand = sent.errand
        is_late = sent.copy < errand.copies or errand.probed
        is_still_busy = errand.busy and status == Status.BUSY and errand.repeats > 0
        if errand.answered or not (is_late or is_still_busy):
            return
        self.counters.retransmits -= errand.repeats
        self.counters.repeated_in_vain += max(errand.repeats, 1)
        errand.repeats = 0
        errand.probed = False
        if errand.busy:
            self._busy_patience_s = min(2 * self._busy_patience_s, _LONGEST_BUSY_PATIENCE_S)
        else:
            self._round_trip.asked_in_vain()

    def _give_up_before(self, task: Task, sequence: int) -> None:
        """What was sent before a request that is answered, and has no answer, is lost."""
        lost = self._flight.give_up_before(sequence)
        if lost is None:
            return
        self.chunk.lost()
        self.counters.retransmits += len(lost)
        for errand in lost:
            task.give_back(errand.request)

    def _probe(self) -> None:
        """Asks again. The zero before it ends what may be left of a frame that was cut.

        A long frame may be lost again and again where the cable is bad. In its place goes a short one, whose reply
        tells that the long one is lost; then it is cut into shorter ones.
        """
        self._delimit = True
        oldest = self._flight.oldest()
        if oldest.request.op in (Op.WRITE, Op.READ):
            oldest.probed = True
            self._send(Errand(Request(Op.ECHO, 0), answered=True))
        else:
            oldest.repeats += 1
            self.counters.retransmits += 1
            self._send(oldest)

    def _timeout_s(self, tries: int) -> float:
        timeout_s = self._round_trip.timeout_s(tries)
        if self._flight.is_busy():
            timeout_s = max(timeout_s, self._busy_patience_s)
        return timeout_s + self._round_trip.wire_s(self._flight.wire_bytes(), self.transport.baud)

    def _check_silence(self, silence_s: float, tries: int) -> None:
        if time.monotonic() - self._bytes_at_s > _QUIET_S:
            for debris in self._decoder.flush():
                self._keep_text(debris)
        if silence_s > _CRASH_SILENCE_S and self.console.last_words:
            raise BoardCrashedError(
                f"{self.transport.description} fell silent after it said {quoted(self.console.last_words)}",
                remedy="reset the board",
            )
        # A machine that slept meanwhile has heard nothing, either.
        if silence_s > self.patience_s and tries >= _LEAST_TRIES:
            raise LinkTimeoutError(
                f"{self.transport.description} has not answered for {silence_s:.0f} s",
                remedy="check the cable, that the board is on, and that nothing else uses the port",
            )


def quoted(lines: Sequence[str]) -> str:
    """Lines of a board's console in an error message."""
    return "; ".join(f'"{line}"' for line in lines)
