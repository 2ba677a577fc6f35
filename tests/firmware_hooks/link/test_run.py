"""Runs: what comes of them, when they are refused, and what goes on meanwhile."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import pytest

from tests.firmware_hooks.link.jobs import HEIGHT, JOB, WIDTH, expected, statistics, tile, upload
from tests.firmware_hooks.link.programs import (
    BLOCK_BYTES,
    MEMORY_BYTES,
    MOST_PAYLOAD_BYTES,
    Driven,
    Host,
    replies,
    run_request,
)
from tests.firmware_hooks.link.wire import (
    BAD_ARGUMENT,
    BAD_STATE,
    BUSY,
    COMMIT,
    DESCRIBE,
    ECHO,
    NO_MEMORY,
    OK,
    QUERY,
    RESET,
    RUN,
    RUN_FAILED,
    TAKEN,
    UNSUPPORTED,
    WRITE,
    Frame,
)

Start = Callable[..., Driven]


@pytest.mark.parametrize("specialist", [0, 1, 2])
def test_a_run_from_end_to_end(host: Host[Driven], specialist: int) -> None:
    mosaic = tile(specialist)
    upload(host, mosaic.tobytes())
    answer = host.run(JOB, run_request(specialist, WIDTH, HEIGHT, 0.5, 0.25, first_shot=2.5))
    assert (answer.session_or_status, answer.argument) == (BUSY, 0)
    (last,) = host.finish_run()
    right = expected(mosaic, specialist, 2.5, 0.25)
    assert (last.op, last.sequence, last.argument) == (RUN | 0x80, host.sequence, JOB)
    arena = (specialist + 1) * WIDTH * 32
    assert struct.unpack("<QQII", last.payload) == (0, arena, zlib.crc32(right), len(right))
    assert host.read_all(JOB, len(right), step=999) == right
    assert statistics(host)[5:] == (1, arena, MEMORY_BYTES)


def test_the_same_run_is_not_run_again(host: Host[Driven]) -> None:
    upload(host, tile().tobytes())
    request = run_request(1, WIDTH, HEIGHT)
    host.run(JOB, request)
    (first,) = host.finish_run()
    for _ in range(3):
        again = host.run(JOB, request)
        assert (again.session_or_status, again.payload) == (OK, first.payload)
        assert host.agent.poll() == []
    assert host.agent.begun_runs == 1
    assert statistics(host)[5] == 1


def test_another_request_for_the_same_input_is_run(host: Host[Driven]) -> None:
    mosaic = tile()
    upload(host, mosaic.tobytes())
    for specialist in (2, 0):
        assert host.run(JOB, run_request(specialist, WIDTH, HEIGHT)).session_or_status == BUSY
        host.finish_run()
        assert host.read_all(JOB, mosaic.nbytes) == expected(mosaic, specialist, 0, 0)
    assert host.agent.begun_runs == 2
    assert statistics(host)[6] == 3 * WIDTH * 32


def test_it_says_that_it_is_busy_five_times_a_second(start: Start) -> None:
    host = Host(start(ticks_a_turn=70))
    host.hello()
    mosaic = tile(0, 16, 160)
    upload(host, mosaic.tobytes())
    host.run(JOB, run_request(0, 16, 160))
    *busy, last = host.finish_run()
    assert [(frame.session_or_status, frame.argument) for frame in busy] == [(BUSY, 48), (BUSY, 96), (BUSY, 144)]
    assert {frame.sequence for frame in (*busy, last)} == {host.sequence}
    assert struct.unpack_from("<Q", last.payload) == (70 * 10,)


def test_time_between_turns_is_not_the_runs(start: Start) -> None:
    host = Host(start(ticks_a_turn=5))
    host.hello()
    upload(host, tile().tobytes())
    host.run(JOB, run_request(0, WIDTH, HEIGHT))
    frames: list[Frame] = []
    while not frames or frames[-1].session_or_status == BUSY:
        host.agent.wait(50)
        frames += replies(host.agent.poll())
    assert struct.unpack_from("<Q", frames[-1].payload) == (5 * HEIGHT // 16,)


def test_a_run_that_is_asked_for_again_meanwhile(host: Host[Driven]) -> None:
    upload(host, tile().tobytes())
    request = run_request(0, WIDTH, HEIGHT)
    host.run(JOB, request)
    host.agent.poll()
    answer = host.run(JOB, request)
    assert (answer.session_or_status, answer.argument) == (BUSY, 16)
    (last,) = host.finish_run()
    assert (last.session_or_status, last.sequence) == (OK, host.sequence)
    assert host.agent.begun_runs == 1


def test_other_requests_are_answered_during_a_run(host: Host[Driven]) -> None:
    data = tile().tobytes()
    upload(host, data)
    host.run(JOB, run_request(0, WIDTH, HEIGHT))
    running = host.sequence
    assert host.ask(ECHO, 0, b"hello").payload == b"hello"
    assert host.read(JOB, 0, 4).session_or_status == BAD_STATE
    assert host.ask(WRITE, 0, bytes(BLOCK_BYTES)).session_or_status == OK
    assert host.ask(COMMIT).session_or_status == OK
    assert host.ask(QUERY).payload == b"\xff" * 3
    assert host.open(JOB, data, zlib.crc32(data)).payload == b"\xff" * 3
    (last,) = host.finish_run()
    assert (last.session_or_status, last.sequence) == (OK, running)
    assert host.read_all(JOB, len(data)) == data


def test_a_session_outlives_its_run(start: Start) -> None:
    host = Host(start(ticks_a_turn=4000))
    host.hello()
    upload(host, tile().tobytes())
    host.run(JOB, run_request(0, WIDTH, HEIGHT))
    second = Host(host.agent, identity=2, link=1)
    host.agent.poll()
    answer = second.hello()
    assert (answer.session_or_status, answer.payload) == (TAKEN, struct.pack("<I", 3001))
    host.finish_run()
    host.agent.wait(2999)
    assert second.hello().session_or_status == TAKEN
    assert host.read(JOB, 0, 4).session_or_status == OK


def test_a_run_goes_on_over_another_cable(host: Host[Driven]) -> None:
    mosaic = tile()
    upload(host, mosaic.tobytes())
    request = run_request(1, WIDTH, HEIGHT)
    host.run(JOB, request)
    host.agent.poll()
    host.agent.reconnect()
    assert host.agent.poll() == []
    moved = Host(host.agent, host.identity, link=1)
    assert moved.hello().argument == host.session
    assert moved.run(JOB, request).session_or_status == BUSY
    (last,) = moved.finish_run()
    assert last.session_or_status == OK
    assert moved.read_all(JOB, mosaic.nbytes) == expected(mosaic, 1, 0, 0)
    assert host.agent.begun_runs == 1


def test_a_result_waits_for_a_host_that_was_gone(host: Host[Driven]) -> None:
    upload(host, tile().tobytes())
    request = run_request(1, WIDTH, HEIGHT)
    host.run(JOB, request)
    host.agent.reconnect()
    assert host.finish_run() == []
    answer = host.run(JOB, request)
    assert answer.session_or_status == OK
    assert host.agent.begun_runs == 1


def test_whoever_releases_a_host_does_not_get_its_replies(host: Host[Driven]) -> None:
    upload(host, tile().tobytes())
    host.run(JOB, run_request(0, WIDTH, HEIGHT))
    second = Host(host.agent, identity=2)
    assert second.hello(release_other=1).session_or_status == OK
    assert second.finish_run() == []


def test_another_job_ends_a_run(host: Host[Driven]) -> None:
    data, other = tile().tobytes(), tile(1).tobytes()
    upload(host, data)
    host.run(JOB, run_request(0, WIDTH, HEIGHT))
    assert host.open(JOB + 1, other, zlib.crc32(other)).payload == bytes(3)
    assert host.agent.poll() == []
    assert not host.agent.goes_on
    assert host.run(JOB + 1, run_request(0, WIDTH, HEIGHT)).session_or_status == BAD_STATE
    upload(host, other, JOB + 1)
    host.run(JOB + 1, run_request(0, WIDTH, HEIGHT))
    host.finish_run()
    assert host.read_all(JOB + 1, len(other)) == other


def test_reset_ends_a_run(host: Host[Driven]) -> None:
    upload(host, tile().tobytes())
    host.run(JOB, run_request(0, WIDTH, HEIGHT))
    assert host.ask(RESET).session_or_status == OK
    assert host.agent.poll() == []
    assert host.open(JOB, b"abcd", 0).payload == b"\0"


def test_a_run_needs_a_committed_input_of_that_job(host: Host[Driven]) -> None:
    data = tile().tobytes()
    request = run_request(0, WIDTH, HEIGHT)
    host.open(JOB, data, zlib.crc32(data))
    host.write_all(data)
    assert host.run(JOB, request).session_or_status == BAD_STATE
    host.ask(COMMIT)
    assert host.run(JOB + 1, request).session_or_status == BAD_STATE
    assert host.read(JOB, 0, 4).session_or_status == BAD_STATE
    assert host.run(JOB, request).session_or_status == BUSY


@pytest.mark.parametrize(
    "request_bytes",
    [
        run_request(4, WIDTH, HEIGHT),
        run_request(0xFFFFFFFF, WIDTH, HEIGHT),
        run_request(0, WIDTH, HEIGHT + 16),
        run_request(0, 0, 0),
        run_request(0, 0xFFFFFFFF, 0xFFFFFFFF),
        # So many that the product's lower 32 bits are right.
        run_request(0, 1 << 16, (1 << 16) + WIDTH * HEIGHT // (1 << 9)),
    ],
)
def test_a_run_of_what_is_not_there(host: Host[Driven], request_bytes: bytes) -> None:
    upload(host, tile().tobytes())
    assert host.run(JOB, request_bytes).session_or_status == BAD_ARGUMENT
    assert host.agent.begun_runs == 0


def test_an_input_that_is_no_whole_number_of_floats(host: Host[Driven]) -> None:
    upload(host, bytes(16 * 16 * 4 + 1))
    assert host.run(JOB, run_request(0, 16, 16)).session_or_status == BAD_ARGUMENT


@pytest.mark.parametrize(
    ("request_bytes", "fan_status"),
    [
        (run_request(0, WIDTH, HEIGHT, float("nan")), 1),
        (run_request(0, WIDTH, HEIGHT, -1.0), 1),
        (run_request(0, WIDTH // 2, HEIGHT * 2), None),
        (run_request(0, WIDTH // 4, HEIGHT * 4), 2),
        (run_request(0, WIDTH * HEIGHT, 1), 2),
    ],
)
def test_what_the_library_refuses(host: Host[Driven], request_bytes: bytes, fan_status: int | None) -> None:
    upload(host, tile().tobytes())
    answer = host.run(JOB, request_bytes)
    if fan_status is None:
        assert answer.session_or_status == BUSY
    else:
        assert (answer.session_or_status, answer.argument) == (RUN_FAILED, fan_status)
        assert host.read(JOB, 0, 4).session_or_status == BAD_STATE
        assert host.run(JOB, run_request(0, WIDTH, HEIGHT)).session_or_status == BUSY


def test_a_failed_run_leaves_no_old_result(host: Host[Driven]) -> None:
    upload(host, tile().tobytes())
    host.run(JOB, run_request(0, WIDTH, HEIGHT))
    host.finish_run()
    assert host.run(JOB, run_request(0, WIDTH, HEIGHT, -1.0)).session_or_status == RUN_FAILED
    assert host.read(JOB, 0, 4).session_or_status == BAD_STATE


def test_an_arena_that_just_fits(start: Start) -> None:
    data = tile().tobytes()
    enough = 2 * len(data) + WIDTH * 32
    for memory_bytes, status in ((enough, BUSY), (enough - 64, NO_MEMORY)):
        host = Host(start(memory_bytes=memory_bytes))
        host.hello()
        upload(host, data)
        answer = host.run(JOB, run_request(0, WIDTH, HEIGHT))
        assert answer.session_or_status == status
        assert answer.argument == (0 if status == BUSY else memory_bytes)
        host.finish_run()


@pytest.mark.parametrize(
    ("offset", "count", "status"),
    {
        "all that a frame carries": (0, MOST_PAYLOAD_BYTES, OK),
        "nothing": (0, 0, OK),
        "the end": (WIDTH * HEIGHT * 4 - 1, 1, OK),
        "nothing at the end": (WIDTH * HEIGHT * 4, 0, OK),
        "beyond the end": (WIDTH * HEIGHT * 4, 1, BAD_ARGUMENT),
        "over the end": (WIDTH * HEIGHT * 4 - 4, 5, BAD_ARGUMENT),
        "far away": (0xFFFFFFFF, 2, BAD_ARGUMENT),
        "more than a frame carries": (0, MOST_PAYLOAD_BYTES + 1, BAD_ARGUMENT),
        "most": (0, 0xFFFF, BAD_ARGUMENT),
    }.values(),
)
def test_reading(host: Host[Driven], offset: int, count: int, status: int) -> None:
    data = tile().tobytes()
    upload(host, data)
    host.run(JOB, run_request(0, WIDTH, HEIGHT))
    host.finish_run()
    answer = host.read(JOB, offset, count)
    assert (answer.session_or_status, answer.argument) == (status, offset)
    assert answer.payload == (data[offset : offset + count] if status == OK else b"")
    assert host.read(JOB + 1, offset, count).session_or_status == BAD_STATE


@pytest.mark.parametrize(
    ("core", "suffices"), [(0b101, True), (0b111, True), (0b100, False), (0b010, False), (0, False)]
)
def test_a_library_that_needs_more_than_the_core_has(
    demanding_driver: Callable[..., Driven], core: int, suffices: bool
) -> None:
    host = Host(demanding_driver(core_features=core))
    assert struct.unpack_from("<II", host.hello().payload, 20) == (core, 0b101)
    upload(host, tile().tobytes())
    answer = host.run(JOB, run_request(0, WIDTH, HEIGHT))
    assert answer.session_or_status == (BUSY if suffices else UNSUPPORTED)
    assert host.agent.begun_runs == int(suffices)
    assert host.ask(DESCRIBE, 0).session_or_status == (OK if suffices else UNSUPPORTED)
