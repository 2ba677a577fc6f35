"""How fast the cable is, and what was counted on it; the clock is the test's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.firmware_hooks.link.jobs import statistics
from tests.firmware_hooks.link.programs import MEMORY_BYTES, Driven, Host, replies
from tests.firmware_hooks.link.wire import BAD_ARGUMENT, BAUD, BYE, ECHO, OK, Frame

Start = Callable[..., Driven]


def rates(agent: Driven, link: int = 0) -> list[int]:
    return [event.baud for event in agent.poll(link) if event.kind == "b"]


@pytest.fixture
def serial(start: Start) -> Host[Driven]:
    made = Host(start(start_baud=115200))
    made.hello()
    return made


def change_rate(host: Host[Driven], baud: int) -> None:
    host.sequence += 1
    request = Frame(BAUD, host.session, host.sequence, baud)
    answer, change = host.agent.receive(request.encoded)
    assert replies([answer]) == [Frame(BAUD | 0x80, OK, host.sequence, baud)]
    assert (change.kind, change.baud) == ("b", baud)


def test_a_rate_that_cannot_be(serial: Host[Driven], host: Host[Driven]) -> None:
    for baud in (0, 3_000_001, 0xFFFFFFFF):
        assert serial.ask(BAUD, baud).session_or_status == BAD_ARGUMENT
    assert host.ask(BAUD, 921600).session_or_status == BAD_ARGUMENT


def test_a_new_rate_is_kept_where_a_frame_comes(serial: Host[Driven]) -> None:
    change_rate(serial, 921600)
    serial.agent.wait(999)
    assert rates(serial.agent) == []
    assert serial.ask(ECHO).session_or_status == OK
    serial.agent.wait(1_000_000)
    assert rates(serial.agent) == []
    assert serial.ask(BAUD, 921600).session_or_status == OK


def test_a_new_rate_is_left_where_no_frame_comes(serial: Host[Driven]) -> None:
    change_rate(serial, 921600)
    serial.agent.receive(b"\xf8\x80\x78\0")
    serial.agent.wait(999)
    serial.agent.receive(b"\xf8\x80\x78\0")
    assert rates(serial.agent) == []
    serial.agent.wait(1)
    assert rates(serial.agent) == [115200]
    serial.agent.wait(100_000)
    assert rates(serial.agent) == []
    assert serial.ask(ECHO).session_or_status == OK


def test_a_host_that_begins_anew_at_the_old_rate_is_found(serial: Host[Driven]) -> None:
    change_rate(serial, 921600)
    serial.ask(ECHO)
    serial.agent.wait(60_000)
    for _ in range(30):
        serial.agent.receive(b"\xf8\x80\x78\xe0\0")
        assert rates(serial.agent) == []
        serial.agent.wait(100)
    assert rates(serial.agent) == [115200]


def test_a_frame_in_pieces_after_long_silence_keeps_the_rate(serial: Host[Driven]) -> None:
    change_rate(serial, 921600)
    serial.ask(ECHO)
    serial.agent.wait(60_000)
    wire = Frame(ECHO, serial.session, 7, 0, b"abc").encoded
    for at in range(len(wire)):
        serial.agent.receive(wire[at : at + 1])
        assert rates(serial.agent) == []
        serial.agent.wait(50)
    serial.agent.wait(10_000)
    assert rates(serial.agent) == []


def test_bye_goes_back_to_the_first_rate(serial: Host[Driven]) -> None:
    change_rate(serial, 921600)
    serial.ask(ECHO)
    answer, change = serial.agent.receive(Frame(BYE, serial.session, 8, 0).encoded)
    assert replies([answer]) == [Frame(BYE | 0x80, OK, 8, 0)]
    assert (change.kind, change.baud) == ("b", 115200)


def test_statistics_count_what_came(host: Host[Driven]) -> None:
    before = statistics(host)
    assert before == (2, 0, 0, 0, 0, 0, 0, MEMORY_BYTES)
    flipped = bytearray(Frame(ECHO, host.session, 1, 0, b"abc").encoded)
    flipped[-2] ^= 1 if flipped[-2] != 1 else 2
    host.agent.receive(bytes(flipped))
    host.agent.receive(b"login: \0", link=1)
    host.agent.receive(b"x" * 5000 + b"\0")
    assert statistics(host) == (3, 1, 1, 1, 0, 0, 0, MEMORY_BYTES)
