"""Requests and replies over a scripted transport: what is sent again, when, and how much is under way."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import pytest

from targets.errors import BoardCrashedError, LinkError, LinkTimeoutError, LinkVersionError
from targets.link.exchange import Exchange, HungUpError, RefusedError
from targets.link.frame import Frame, FrameDecoder
from targets.link.messages import REPLY, Op, Status
from targets.link.transfer import Download, Request, Upload

Script = Callable[[Frame], "list[Frame | bytes]"]


class ScriptedTransport:
    """Hands each request to a function, whose replies can be read."""

    description = "script"
    baud: int | None = None

    def __init__(self, script: Script) -> None:
        self.requests: list[Frame] = []
        self.reopened = 0
        self.unread_bytes = 0
        self.most_unread_bytes = 0
        self._script = script
        self._decoder = FrameDecoder()
        self._replies: deque[bytes] = deque()

    def read(self, timeout_s: float) -> bytes:
        if not self._replies:
            time.sleep(min(timeout_s, 0.005))
            return b""
        self.unread_bytes = 0
        return self._replies.popleft()

    def write(self, data: bytes) -> None:
        self.unread_bytes += len(data)
        self.most_unread_bytes = max(self.most_unread_bytes, self.unread_bytes)
        for frame in self._decoder.feed(data):
            assert isinstance(frame, Frame)
            self.requests.append(frame)
            for reply in self._script(frame):
                self._replies.append(reply if isinstance(reply, bytes) else reply.encode())

    def set_baud(self, baud: int) -> None: ...

    def reopen(self) -> None:
        self.reopened += 1

    def close(self) -> None: ...


def ok(request: Frame, payload: bytes = b"", status: Status = Status.OK) -> Frame:
    return Frame(request.op | REPLY, status, request.sequence, request.arg, payload)


def exchange_with(script: Script, **options: float) -> tuple[Exchange, ScriptedTransport]:
    transport = ScriptedTransport(script)
    return Exchange(transport, **options), transport


def test_a_call() -> None:
    exchange, transport = exchange_with(lambda request: [ok(request, b"reply")])
    exchange.session = 9
    assert exchange.call(Request(Op.ECHO, 7, b"asked")).payload == b"reply"
    (request,) = transport.requests
    assert (request.op, request.session_or_status, request.arg, request.payload) == (Op.ECHO, 9, 7, b"asked")


def test_a_refusal() -> None:
    exchange, _ = exchange_with(lambda request: [ok(request, status=Status.BAD_STATE)])
    with pytest.raises(RefusedError, match="RUN: BAD_STATE"):
        exchange.call(Request(Op.RUN, 1))


def test_replies_to_others_are_ignored() -> None:
    def script(request: Frame) -> list[Frame | bytes]:
        other_number = Frame(Op.ECHO | REPLY, 0, request.sequence ^ 1, 0, b"other")
        other_op = Frame(Op.STATS | REPLY, 0, request.sequence, 0, b"other")
        not_a_reply = Frame(Op.ECHO, 0, request.sequence, 0, b"other")
        return [other_number, other_op, not_a_reply, ok(request, b"mine")]

    exchange, _ = exchange_with(script)
    assert exchange.call(Request(Op.ECHO, 0)).payload == b"mine"


def test_a_lost_request_is_sent_again_as_soon_as_a_later_one_is_answered() -> None:
    lost = {3, 4}
    count = 0

    def script(request: Frame) -> list[Frame | bytes]:
        nonlocal count
        count += 1
        return [] if count in lost else [ok(request)]

    exchange, transport = exchange_with(script)
    exchange.window_bytes = 4096
    data = bytes(number % 251 for number in range(8 * 1024))
    began = time.monotonic()
    exchange.perform(Upload(data, 256, range(32)))
    # The first timeout would be a quarter of a second.
    assert time.monotonic() - began < 0.2
    assert exchange.counters.retransmits == 2
    written = [request.arg + place for request in transport.requests for place in range(len(request.payload))]
    assert sorted(written) == sorted([*range(len(data)), *range(2048, 4096)])


def test_frames_shrink_where_they_are_lost() -> None:
    seen: list[int] = []

    def script(request: Frame) -> list[Frame | bytes]:
        seen.append(len(request.payload))
        return [] if len(request.payload) > 300 and len(seen) % 2 else [ok(request)]

    exchange, _ = exchange_with(script)
    exchange.window_bytes = 4096
    exchange.perform(Upload(bytes(16384), 256, range(64)))
    assert seen[0] == 1024
    assert 256 in seen


def test_a_long_frame_that_never_arrives_is_cut() -> None:
    """Even if it is the only one under way, so that no later reply tells of its loss."""

    def script(request: Frame) -> list[Frame | bytes]:
        count = int.from_bytes(request.payload[4:], "little") if request.op == Op.READ else 0
        return [] if len(request.payload) > 300 or count > 300 else [ok(request, bytes(count))]

    exchange, transport = exchange_with(script)
    exchange.window_bytes = 2048
    exchange.perform(Upload(bytes(1024), 256, range(4)))
    assert [len(request.payload) for request in transport.requests if request.op == Op.WRITE][-4:] == [256] * 4
    exchange.chunk.now_bytes = 1024
    download = Download(1, 1024)
    exchange.perform(download)
    assert exchange.counters.repeated_in_vain == 0


def test_a_long_frame_that_was_probed_too_soon() -> None:
    held: list[Frame] = []

    def script(request: Frame) -> list[Frame | bytes]:
        held.append(request)
        return [ok(each) for each in held] if len(held) == 2 else []

    exchange, transport = exchange_with(script)
    exchange.perform(Upload(bytes(1024), 256, range(4)))
    assert [request.op for request in transport.requests] == [Op.WRITE, Op.ECHO]
    assert (exchange.counters.retransmits, exchange.counters.repeated_in_vain) == (0, 1)


def test_the_last_request_is_sent_again_after_a_time_with_a_zero_before_it() -> None:
    attempts = iter([[], [], None])
    exchange, transport = exchange_with(lambda request: [ok(request)] if next(attempts) is None else [])
    raw: list[bytes] = []
    write = transport.write
    transport.write = lambda data: (raw.append(data), write(data))[1]  # type: ignore[method-assign]
    exchange.call(Request(Op.COMMIT, 0))
    assert len(transport.requests) == 3
    assert all(data.startswith(b"\0") for data in raw)
    assert exchange.counters.retransmits == 2


def test_a_late_reply_counts_and_teaches_patience() -> None:
    held: list[Frame] = []

    def script(request: Frame) -> list[Frame | bytes]:
        held.append(request)
        return [ok(held[0], b"to the first")] if len(held) == 2 else []

    exchange, _ = exchange_with(script)
    assert exchange.call(Request(Op.STATS, 0)).payload == b"to the first"
    assert exchange.counters.retransmits == 0
    assert exchange.counters.repeated_in_vain == 1


def test_no_more_is_under_way_than_the_board_can_buffer() -> None:
    waiting: list[Frame] = []

    def script(request: Frame) -> list[Frame | bytes]:
        return [ok(request)]

    exchange, transport = exchange_with(script)
    exchange.window_bytes = 2048
    exchange.perform(Upload(bytes(65536), 256, range(256)))
    assert not waiting
    assert 1024 < transport.most_unread_bytes <= 2048 + 1


def test_replies_under_way_are_limited_too() -> None:
    asked = 0
    most = 0

    def script(request: Frame) -> list[Frame | bytes]:
        nonlocal asked, most
        count = int.from_bytes(request.payload[4:], "little")
        asked += count
        most = max(most, asked)
        return [ok(request, bytes(count))]

    exchange, transport = exchange_with(script)
    read = transport.read

    def counted(timeout_s: float) -> bytes:
        nonlocal asked
        data = read(timeout_s)
        asked -= max(0, len(data) - 30)
        return data

    transport.read = counted  # type: ignore[method-assign]
    exchange.window_bytes = 4096
    download = Download(1, 65536)
    exchange.perform(download)
    assert 2048 < most <= 4096


def test_busy_keeps_waiting() -> None:
    exchange, transport = exchange_with(lambda request: [*[ok(request, status=Status.BUSY)] * 5, ok(request, b"done")])
    assert exchange.call(Request(Op.RUN, 1)).payload == b"done"
    assert exchange.counters.busy_replies == 5
    assert len(transport.requests) == 1


def test_a_lost_last_reply_after_busy_is_asked_for_again() -> None:
    count = 0

    def script(request: Frame) -> list[Frame | bytes]:
        nonlocal count
        count += 1
        return [ok(request, status=Status.BUSY)] if count == 1 else [ok(request, b"done")]

    exchange, _ = exchange_with(script)
    assert exchange.call(Request(Op.RUN, 1)).payload == b"done"
    assert exchange.counters.retransmits == 1


def test_silence_is_a_link_error() -> None:
    exchange, _ = exchange_with(lambda _: [], patience_s=0.5)
    began = time.monotonic()
    with pytest.raises(LinkTimeoutError, match="script has not answered for"):
        exchange.call(Request(Op.STATS, 0))
    assert 0.5 <= time.monotonic() - began < 4


def test_a_machine_that_slept_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    slept_s = 0.0
    monotonic = time.monotonic

    def script(request: Frame) -> list[Frame | bytes]:
        nonlocal slept_s
        slept_s += 60 if slept_s == 0 else 0
        return [ok(request)] if len(transport.requests) > 1 else []

    exchange, transport = exchange_with(script)
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + slept_s)
    exchange.call(Request(Op.STATS, 0))


def test_a_run_that_goes_on_was_not_lost() -> None:
    """A board that is slow to say BUSY is asked again; its next BUSY tells that this was in vain."""
    requests: list[Frame] = []

    def script(request: Frame) -> list[Frame | bytes]:
        requests.append(request)
        busy = ok(request, status=Status.BUSY)
        return [busy] if len(requests) == 1 else [busy, ok(request, b"done")]

    exchange, _ = exchange_with(script)
    exchange.call(Request(Op.RUN, 1))
    assert (len(requests), exchange.counters.retransmits, exchange.counters.repeated_in_vain) == (2, 0, 1)


def test_silence_after_last_words_is_a_board_error() -> None:
    exchange, _ = exchange_with(lambda _: [b"HardFault pc=0x1234\r\n"], patience_s=8)
    with pytest.raises(BoardCrashedError, match='fell silent after it said "HardFault pc=0x1234"'):
        exchange.call(Request(Op.STATS, 0))


def test_another_version_is_told() -> None:
    exchange, _ = exchange_with(
        lambda request: [Frame(request.op | REPLY, Status.BAD_VERSION, request.sequence, 0, b"", 2)]
    )
    with pytest.raises(LinkVersionError, match="script speaks version 2 of the link; expected version 1"):
        exchange.call(Request(Op.HELLO, 0))


def test_sequence_numbers_wrap() -> None:
    exchange, transport = exchange_with(lambda request: [ok(request)])
    exchange._sequence = 0xFFFE
    for _ in range(4):
        exchange.call(Request(Op.STATS, 0))
    assert [request.sequence for request in transport.requests] == [0xFFFF, 0, 1, 2]


def test_a_transport_that_hangs_up() -> None:
    exchange, transport = exchange_with(lambda _: [])

    def gone(timeout_s: float) -> bytes:
        raise ConnectionResetError("unplugged")

    transport.read = gone  # type: ignore[method-assign]
    with pytest.raises(HungUpError, match="unplugged"):
        exchange.call(Request(Op.STATS, 0))


def test_reconnecting_has_an_end() -> None:
    exchange, transport = exchange_with(lambda _: [], patience_s=0.3)

    def refused() -> None:
        transport.reopened += 1
        raise FileNotFoundError("no such port")

    transport.reopen = refused  # type: ignore[method-assign]
    with pytest.raises(LinkError, match=r"cannot be made again .*no such port"):
        exchange.reconnect()
    assert transport.reopened > 2
