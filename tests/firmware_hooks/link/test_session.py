"""Who has the board, what it says of itself, and requests that are none."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from tests.firmware_hooks.link.jobs import HELLO_FIXED, statistics, texts, tile, upload
from tests.firmware_hooks.link.programs import (
    BLOCK_BYTES,
    BUNDLE_ID,
    MOST_PAYLOAD_BYTES,
    Driven,
    Host,
    replies,
    run_request,
)
from tests.firmware_hooks.link.wire import (
    BAD_ARGUMENT,
    BAD_OP,
    BAD_STATE,
    BAD_VERSION,
    BAUD,
    BYE,
    COMMIT,
    DESCRIBE,
    ECHO,
    HELLO,
    OK,
    OPEN,
    QUERY,
    READ,
    RESET,
    RUN,
    STATS,
    TAKEN,
    WRITE,
    Frame,
)

Start = Callable[..., Driven]


def test_hello_says_what_there_is(start: Start) -> None:
    answer = Host(start(core_features=0x1234, boot_id=0xB007, memory_bytes=1 << 17)).hello()
    assert (answer.session_or_status, answer.argument) == (OK, 0xB007 % 255 + 1)
    assert HELLO_FIXED.unpack_from(answer.payload) == (
        *(MOST_PAYLOAD_BYTES, BLOCK_BYTES, 4096, 2, 0xB007, 1000, 0x1234, 0, 1 << 17, 4),
        BUNDLE_ID,
    )
    assert texts(answer.payload[HELLO_FIXED.size :]) == [b"stub-board", b"stub-core", "stub-build 1.2 ü".encode()]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Raspberry Pi 5", "Raspberry Pi 5"),
        ("a" * 300, "a" * 255),
        ("ü" * 200, "ü" * 127),
        ("a" * 254 + "€", "a" * 254),
    ],
)
def test_a_text_is_cut_between_characters(start: Start, name: str, told: str) -> None:
    answer = Host(start(board=name)).hello()
    assert texts(answer.payload[HELLO_FIXED.size :])[0].decode() == told


@pytest.mark.parametrize(
    "payload",
    [b"", bytes(9), struct.pack("<QB", 0, 1), struct.pack("<QB", 1, 2), struct.pack("<Q", 1), b"\1" * 10],
)
def test_a_hello_that_is_none(start: Start, payload: bytes) -> None:
    host = Host(start())
    answer = host.ask(HELLO, 7, payload)
    assert (answer.session_or_status, answer.argument, answer.payload) == (BAD_ARGUMENT, 7, b"")
    assert host.ask(STATS).session_or_status == TAKEN


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_told_to_hello_alone(host: Host[Driven], version: int) -> None:
    hello = Frame(HELLO, 0, 9, 5, struct.pack("<QB", 1, 0), version)
    assert replies(host.agent.receive(hello.encoded)) == [Frame(HELLO | 0x80, BAD_VERSION, 9, 5)]
    other = Frame(ECHO, host.session, 9, 5, b"", version)
    assert host.agent.receive(other.encoded) == []
    assert statistics(host)[2] == 1


def test_replies_of_the_host_are_not_answered(host: Host[Driven]) -> None:
    for op in (ECHO | 0x80, HELLO | 0x80, 0xFF):
        assert host.agent.receive(Frame(op, host.session, 1, 0).encoded) == []
    assert statistics(host)[2] == 3


def test_a_host_keeps_its_session(start: Start) -> None:
    host = Host(start())
    first = host.hello().argument
    assert host.hello().argument == first
    host.agent.wait(60_000)
    assert host.hello().argument == first
    assert host.ask(STATS).session_or_status == OK


def test_without_hello_nothing_is_answered_but_taken(start: Start) -> None:
    host = Host(start(boot_id=41))
    for session in (0, 1, 41, 42, 255):
        answer = host.ask(STATS, session=session)
        assert (answer.session_or_status, answer.payload) == (TAKEN, bytes(4))


def test_a_second_host_is_told_so_until_the_first_is_silent(host: Host[Driven]) -> None:
    second = Host(host.agent, identity=2, link=1)
    host.agent.wait(1000)
    answer = second.hello()
    assert answer.session_or_status == TAKEN
    (wait_ms,) = struct.unpack("<I", answer.payload)
    assert 2000 <= wait_ms <= 2010
    assert second.ask(STATS, session=host.session + 1).session_or_status == TAKEN
    assert host.ask(ECHO).session_or_status == OK
    host.agent.wait(2999)
    assert second.hello().session_or_status == TAKEN
    host.agent.wait(1)
    assert second.hello().session_or_status == OK
    assert second.session != host.session
    answer = host.ask(ECHO)
    assert (answer.session_or_status, len(answer.payload)) == (TAKEN, 4)
    assert host.hello().session_or_status == TAKEN


def test_frames_keep_a_session_alive_and_refused_ones_do_not(host: Host[Driven]) -> None:
    second = Host(host.agent, identity=2)
    for _ in range(4):
        host.agent.wait(2000)
        assert host.ask(ECHO).session_or_status == OK
        assert second.hello().session_or_status == TAKEN
    host.agent.wait(3000)
    assert second.hello().session_or_status == OK


def test_who_was_silent_goes_on_where_nobody_else_came(host: Host[Driven]) -> None:
    host.agent.wait(1_000_000)
    assert host.ask(ECHO).session_or_status == OK
    assert Host(host.agent, identity=2).hello().session_or_status == TAKEN


def test_a_host_may_release_another(host: Host[Driven]) -> None:
    second = Host(host.agent, identity=2)
    assert second.hello(release_other=1).session_or_status == OK
    assert host.ask(ECHO).session_or_status == TAKEN


def test_bye_leaves_the_board_to_others_and_may_come_twice(host: Host[Driven]) -> None:
    assert host.ask(BYE).session_or_status == OK
    assert host.ask(BYE).session_or_status == OK
    assert host.ask(ECHO).session_or_status == TAKEN
    second = Host(host.agent, identity=2)
    assert second.hello().session_or_status == OK
    assert host.ask(BYE).session_or_status == TAKEN
    assert second.ask(ECHO).session_or_status == OK


def test_no_session_is_zero(start: Start) -> None:
    host = Host(start(boot_id=250))
    seen = set()
    for identity in range(1, 300):
        host.identity = identity
        assert host.hello().session_or_status == OK
        seen.add(host.session)
        host.ask(BYE)
    assert seen == set(range(1, 256))


@pytest.mark.parametrize("op", [0, 14, 15, 0x7F])
def test_no_such_operation(host: Host[Driven], op: int) -> None:
    answer = host.ask(op, 77)
    assert (answer.session_or_status, answer.argument) == (BAD_OP, 77)


@pytest.mark.parametrize(
    ("op", "right"),
    {BYE: 0, DESCRIBE: 0, OPEN: 12, QUERY: 0, COMMIT: 0, RUN: 36, READ: 6, STATS: 0, RESET: 0, BAUD: 0}.items(),
)
def test_payloads_of_another_length(host: Host[Driven], op: int, right: int) -> None:
    upload(host, tile().tobytes())
    for count in {0, right - 1, right + 1, MOST_PAYLOAD_BYTES} - {right, -1}:
        answer = host.ask(op, 0, b"\1" * count)
        assert (answer.session_or_status, answer.argument, answer.payload) == (BAD_ARGUMENT, 0, b"")
    assert host.ask(ECHO).session_or_status == OK


@pytest.mark.parametrize("op", [WRITE, QUERY, COMMIT, RUN, READ])
def test_without_a_job(host: Host[Driven], op: int) -> None:
    payload = {WRITE: bytes(256), RUN: run_request(0, 16, 16), READ: bytes(6)}.get(op, b"")
    assert host.ask(op, 0, payload).session_or_status == BAD_STATE
    upload(host, tile().tobytes())
    assert host.ask(RESET).session_or_status == OK
    assert host.ask(RESET).session_or_status == OK
    assert host.ask(op, 0, payload).session_or_status == BAD_STATE


def test_echo(host: Host[Driven]) -> None:
    for payload in (b"", b"\0", bytes(range(256)) * 4):
        answer = host.ask(ECHO, 0xFFFFFFFF, payload)
        assert (answer.session_or_status, answer.argument, answer.payload) == (OK, 0xFFFFFFFF, payload)


def test_describe(host: Host[Driven]) -> None:
    first_bytes = [b"\1\2\3", b"\4", b"\5", b"\6"]
    for index, (name, sha) in enumerate(zip(["dusk", "night", "höchst-iso", "slow"], first_bytes, strict=True)):
        answer = host.ask(DESCRIBE, index)
        assert (answer.session_or_status, answer.argument) == (OK, index)
        facts = struct.pack("<IQ", 16 * (index + 1), (index + 1) * 64 * 32)
        assert answer.payload == facts + sha.ljust(32, b"\0") + bytes([len(name.encode())]) + name.encode()
    for index in (4, 0xFFFFFFFF):
        assert host.ask(DESCRIBE, index).session_or_status == BAD_ARGUMENT
