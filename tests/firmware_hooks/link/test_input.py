"""An input arrives in blocks, in any order and more than once."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.firmware_hooks.link.jobs import HEIGHT, JOB, WIDTH, statistics, tile, upload
from tests.firmware_hooks.link.programs import BLOCK_BYTES, MEMORY_BYTES, MOST_PAYLOAD_BYTES, Driven, Host, run_request
from tests.firmware_hooks.link.wire import (
    BAD_ARGUMENT,
    BAD_CRC,
    COMMIT,
    MISSING,
    NO_MEMORY,
    OK,
    OPEN,
    QUERY,
    RESET,
    WRITE,
)

Start = Callable[..., Driven]


@pytest.mark.parametrize(("job", "count"), [(0, 4), (1, 0), (0, 0)])
def test_a_job_needs_a_number_and_bytes(host: Host[Driven], job: int, count: int) -> None:
    assert host.ask(OPEN, 9, struct.pack("<III", job, count, 0)).session_or_status == BAD_ARGUMENT


def test_input_and_output_must_fit(host: Host[Driven]) -> None:
    half = MEMORY_BYTES // 2
    for count in (half + 1, MEMORY_BYTES, 0x7FFFFFFF, 0x80000000, 0xFFFFFFC0, 0xFFFFFFFF):
        answer = host.ask(OPEN, 0, struct.pack("<III", 1, count, 0))
        assert (answer.session_or_status, answer.argument) == (NO_MEMORY, MEMORY_BYTES)
    data = np.random.default_rng(1).bytes(half)
    upload(host, data)
    assert host.run(JOB, run_request(0, 256, 512)).session_or_status == NO_MEMORY


def test_a_bitmap_says_which_blocks_are_there(host: Host[Driven]) -> None:
    data = np.random.default_rng(1).bytes(20 * BLOCK_BYTES + 3)
    answer = host.open(JOB, data, zlib.crc32(data))
    assert (answer.session_or_status, answer.payload) == (OK, bytes(3))
    for first, count in ((3, 1), (8, 4), (20, 1)):
        piece = data[first * BLOCK_BYTES :][: count * BLOCK_BYTES]
        assert host.ask(WRITE, first * BLOCK_BYTES, piece).session_or_status == OK
    there = bytes([0b1000, 0b1111, 0b10000])
    assert host.open(JOB, data, zlib.crc32(data)).payload == there
    for first in range(4):
        answer = host.ask(QUERY, first)
        assert (answer.session_or_status, answer.argument, answer.payload) == (OK, first, there[first:])
    assert host.ask(QUERY, 4).session_or_status == BAD_ARGUMENT
    assert host.ask(QUERY, 0xFFFFFFFF).session_or_status == BAD_ARGUMENT
    assert host.ask(COMMIT).session_or_status == MISSING
    host.write_all(data)
    for _ in range(2):
        assert host.ask(QUERY).payload == bytes([0xFF, 0xFF, 0b11111])
        assert host.ask(COMMIT).session_or_status == OK
    assert host.open(JOB, data, zlib.crc32(data)).payload == bytes([0xFF, 0xFF, 0b11111])


def test_a_long_bitmap_comes_in_pieces(start: Start) -> None:
    count = BLOCK_BYTES * 8 * (MOST_PAYLOAD_BYTES + 100)
    host = Host(start(memory_bytes=2 * count))
    host.hello()
    answer = host.ask(OPEN, 0, struct.pack("<III", 5, count, 0))
    assert answer.payload == bytes(MOST_PAYLOAD_BYTES)
    last = count - BLOCK_BYTES
    assert host.ask(WRITE, last, bytes(BLOCK_BYTES)).session_or_status == OK
    assert host.ask(QUERY, 1).payload == bytes(MOST_PAYLOAD_BYTES)
    assert host.ask(QUERY, MOST_PAYLOAD_BYTES).payload == bytes(99) + b"\x80"


@pytest.mark.parametrize(
    ("change", "kept"), [((0, 0, 0), True), ((1, 0, 0), False), ((0, 1, 0), False), ((0, 0, 1), False)]
)
def test_the_same_job_goes_on_and_another_starts(host: Host[Driven], change: tuple[int, int, int], kept: bool) -> None:
    same = (7, 1000, 0xABCDEF)
    host.ask(OPEN, 0, struct.pack("<III", *same))
    host.ask(WRITE, 0, bytes(BLOCK_BYTES))
    other = [value + more for value, more in zip(same, change, strict=True)]
    assert host.ask(OPEN, 0, struct.pack("<III", *other)).payload == bytes([1 if kept else 0])


def test_a_job_outlives_its_session_and_its_cable(host: Host[Driven]) -> None:
    data = tile().tobytes()
    host.open(JOB, data, zlib.crc32(data))
    host.ask(WRITE, 0, data[: 3 * BLOCK_BYTES])
    host.agent.reconnect()
    host.agent.wait(3000)
    second = Host(host.agent, identity=2, link=1)
    second.hello()
    assert second.open(JOB, data, zlib.crc32(data)).payload == b"\7\0\0"
    second.write_all(data)
    assert second.ask(COMMIT).session_or_status == OK


@pytest.mark.parametrize(
    ("offset", "count"),
    {
        "nothing": (0, 0),
        "not at a block": (1, 256),
        "at a multiple of four": (4, 256),
        "half a block": (0, 128),
        "a block and a half": (0, 384),
        "less than the last": (768, 99),
        "more than the last": (768, 101),
        "beyond the end": (768, 256),
        "at the end": (1000, 256),
        "after the end": (1024, 256),
        "far away": (0xFFFFFF00, 256),
        "all and more": (0, 1001),
    }.values(),
)
def test_blocks_that_are_none(host: Host[Driven], offset: int, count: int) -> None:
    host.ask(OPEN, 0, struct.pack("<III", 7, 868, 0))
    assert host.ask(WRITE, offset, b"\1" * count).session_or_status == BAD_ARGUMENT
    assert host.ask(QUERY).payload == b"\0"


def test_what_is_there_stays(host: Host[Driven]) -> None:
    data = tile().tobytes()
    host.open(JOB, data, zlib.crc32(data))
    host.ask(WRITE, BLOCK_BYTES, data[BLOCK_BYTES : 2 * BLOCK_BYTES])
    assert host.ask(WRITE, BLOCK_BYTES, bytes(BLOCK_BYTES)).session_or_status == OK
    host.write_all(data)
    assert host.ask(COMMIT).session_or_status == OK
    assert host.ask(WRITE, 0, bytes(BLOCK_BYTES * 2)).session_or_status == OK
    assert host.ask(COMMIT).session_or_status == OK
    assert statistics(host)[4] == 1 + 1 + 2
    host.run(JOB, run_request(0, WIDTH, HEIGHT))
    host.finish_run()
    assert host.read_all(JOB, len(data)) == data


def test_another_crc_clears_the_bitmap(host: Host[Driven]) -> None:
    data = tile().tobytes()
    host.open(JOB, data, zlib.crc32(data))
    host.write_all(data[:-1] + bytes([data[-1] ^ 1]))
    assert host.ask(COMMIT).session_or_status == BAD_CRC
    assert host.ask(QUERY).payload == bytes(3)
    assert host.ask(COMMIT).session_or_status == MISSING
    host.write_all(data)
    assert host.ask(COMMIT).session_or_status == OK


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_blocks_arrive_in_any_order_and_twice_amid_noise(host: Host[Driven], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6000))
    content = np.random.default_rng(count).bytes(count)
    host.ask(RESET)
    host.open(count, content, zlib.crc32(content))
    blocks = -(-count // BLOCK_BYTES)
    order = data.draw(st.permutations(range(blocks)))
    again = data.draw(st.lists(st.integers(0, blocks - 1), max_size=5))
    seen: set[int] = set()
    for first in [*again, *order]:
        several = min(data.draw(st.integers(1, 4)), blocks - first)
        seen |= set(range(first, first + several))
        host.agent.receive(data.draw(st.binary(max_size=40)) + b"\0")
        offset = first * BLOCK_BYTES
        host.ask(WRITE, offset, content[offset : offset + several * BLOCK_BYTES])
        bits = host.ask(QUERY).payload
        assert {i for i in range(8 * len(bits)) if bits[i // 8] >> i % 8 & 1} == seen
    assert host.ask(COMMIT).session_or_status == OK
