"""Sizes and fields of the messages."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.core_features import CoreFeature
from targets.link.messages import (
    BoardStatistics,
    Hello,
    HelloRequest,
    MalformedReplyError,
    OpenRequest,
    ReadRequest,
    RunReply,
    RunRequest,
    SpecialistFacts,
    taken_wait_s,
)

HELLO = Hello(
    1024,
    256,
    4096,
    2,
    0xB007,
    25_000_000,
    CoreFeature.FPU,
    CoreFeature.FPU | CoreFeature.MVE,
    1 << 24,
    1,
    bytes(range(16)),
    "mps3-an547",
    "cortex-m55",
    "1.2",
)
u32 = st.integers(0, 0xFFFFFFFF)


def test_layout_of_hello() -> None:
    packed = HELLO.pack()
    assert packed[:8].hex(" ") == "00 04 00 01 00 10 00 00"
    assert packed[8:12] == b"\x02\0\0\0"
    assert packed[28:36] == (1 << 24).to_bytes(8, "little")
    assert packed[40:56] == bytes(range(16))
    assert packed[56:] == b"\x0amps3-an547\x0acortex-m55\x031.2"
    assert Hello.parse(packed) == HELLO


def test_layouts_of_requests() -> None:
    assert HelloRequest(0x0102030405060708).pack().hex() == "080706050403020100"
    assert OpenRequest(1, 2, 3).pack().hex() == "010000000200000003000000"
    assert ReadRequest(1, 0x0203).pack().hex() == "010000000302"
    run = RunRequest(1, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), 64, 32)
    assert run.pack().hex(" ", 4) == (
        "01000000 0000803f 00000040 00004040 00008040 0000a040 0000c040 40000000 20000000"
    )
    assert RunRequest.parse(run.pack()) == run


@given(st.binary(max_size=200))
def test_hello_of_any_bytes_is_parsed_or_refused(payload: bytes) -> None:
    with suppress(MalformedReplyError):
        Hello.parse(payload)


@given(st.text(max_size=80), st.text(max_size=80))
def test_names_come_back(board: str, core: str) -> None:
    hello = replace(HELLO, board=board, core=core)
    if max(len(board.encode()), len(core.encode())) <= 255:
        assert Hello.parse(hello.pack()) == hello


@pytest.mark.parametrize(
    "change",
    [{"block_bytes": 0}, {"block_bytes": 2048}, {"window_bytes": 200}, {"tick_hz": 0}],
)
def test_sizes_that_cannot_be_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(MalformedReplyError, match="HELLO"):
        Hello.parse(replace(HELLO, **change).pack())


def test_bits_that_have_no_name_yet_are_kept() -> None:
    hello = replace(HELLO, core_features=CoreFeature(1 << 20))
    assert Hello.parse(hello.pack()).core_features == 1 << 20


@given(u32, st.integers(0, 2**64 - 1), st.binary(min_size=32, max_size=32), st.text(max_size=60))
def test_facts_of_a_specialist(halo: int, arena: int, digest: bytes, name: str) -> None:
    facts = SpecialistFacts(halo, arena, digest, name)
    assert SpecialistFacts.parse(facts.pack()) == facts


@pytest.mark.parametrize(("kind", "size"), [(RunReply, 24), (BoardStatistics, 40)])
def test_other_sizes_are_refused(kind: type[RunReply] | type[BoardStatistics], size: int) -> None:
    assert kind.parse(bytes(size)).pack() == bytes(size)
    for wrong in (size - 1, size + 1):
        with pytest.raises(MalformedReplyError):
            kind.parse(bytes(wrong))


def test_waiting_time_of_taken() -> None:
    assert taken_wait_s((2500).to_bytes(4, "little")) == 2.5
    assert taken_wait_s(b"") == 1.0
