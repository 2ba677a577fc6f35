"""Parser and encoder against an independent COBS and zlib's CRC."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.firmware_hooks.link.programs import exactly
from tests.firmware_hooks.link.wire import Frame, frame_of, frames_of, stuffed, unstuffed, with_crc

PAYLOAD_BYTES = 600
NO_COUNTS = (0, 0, 0, 0)
HIGHEST = 2**16 - 1

payloads = st.one_of(
    st.binary(max_size=PAYLOAD_BYTES),
    # Blocks of 254 bytes without a zero, where COBS has its edge.
    st.builds(
        lambda before, zeros, after: (b"x" * before + b"\0" * zeros + b"y" * after)[:PAYLOAD_BYTES],
        st.integers(235, 260),
        st.integers(0, 2),
        st.integers(235, 260),
    ),
)
frames = st.builds(
    Frame,
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, HIGHEST),
    st.integers(0, 2**32 - 1),
    payloads,
)


@dataclass
class Codec:
    """fan_link.c in a process of its own, under sanitizers."""

    process: subprocess.Popen[bytes]

    def ask(self, command: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(command)
        self.process.stdin.flush()

    def answer(self, count: int) -> bytes:
        assert self.process.stdout
        return exactly(self.process.stdout, count)

    def start_over(self) -> None:
        self.ask(b"z")

    def parse(self, data: bytes) -> tuple[list[Frame], tuple[int, ...]]:
        """Frames, and good, bad CRC, malformed, overflows since the start."""
        self.ask(b"d" + struct.pack("<I", len(data)) + data)
        found = []
        while self.answer(1) == b"f":
            version, op, status, sequence, count, argument = struct.unpack("<BBBHHI", self.answer(11))
            found.append(Frame(op, status, sequence, argument, self.answer(count), version))
        return found, struct.unpack("<4I", self.answer(16))

    def encode(self, frame: Frame, capacity: int) -> bytes:
        fields = (frame.version, frame.op, frame.session_or_status, frame.sequence, len(frame.payload), frame.argument)
        self.ask(b"e" + struct.pack("<IBBBHHI", capacity, *fields) + frame.payload)
        (count,) = struct.unpack("<I", self.answer(4))
        return self.answer(count)


@pytest.fixture(scope="module")
def running_codec(codec_driver: Path) -> Iterator[Codec]:
    process = subprocess.Popen([codec_driver, str(PAYLOAD_BYTES)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    yield Codec(process)
    assert process.stdin
    process.stdin.close()
    assert process.wait(60) == 0


@pytest.fixture(scope="module")
def fresh(running_codec: Codec) -> Callable[[], Codec]:
    def start_over() -> Codec:
        running_codec.start_over()
        return running_codec

    return start_over


def encoded_most(payload_bytes: int) -> int:
    return 16 + payload_bytes + (16 + payload_bytes) // 254 + 2


@given(frame=frames)
@settings(max_examples=300, deadline=None)
def test_what_is_encoded_is_decoded_by_another_codec(fresh: Callable[[], Codec], frame: Frame) -> None:
    encoded = fresh().encode(frame, encoded_most(len(frame.payload)))
    assert frames_of(encoded) == [frame]
    assert encoded.count(b"\0") == 1


@given(several=st.lists(frames, max_size=4))
@settings(max_examples=300, deadline=None)
def test_what_another_codec_encodes_is_decoded(fresh: Callable[[], Codec], several: list[Frame]) -> None:
    wire = b"\0" + b"".join(frame.encoded for frame in several)
    assert fresh().parse(wire) == (several, (len(several), 0, 0, 0))


@given(frame=frames, version=st.integers(0, 255))
@settings(max_examples=50, deadline=None)
def test_frames_of_other_versions_are_handed_on(fresh: Callable[[], Codec], frame: Frame, version: int) -> None:
    other = Frame(frame.op, frame.session_or_status, frame.sequence, frame.argument, frame.payload, version)
    assert fresh().parse(other.encoded)[0] == [other]


@given(frame=frames, garbage=st.binary(max_size=2000))
@settings(max_examples=300, deadline=None)
def test_after_any_garbage_a_zero_sets_it_right(fresh: Callable[[], Codec], frame: Frame, garbage: bytes) -> None:
    found, counts = fresh().parse(garbage + b"\0" + frame.encoded)
    assert found == [*good_frames(garbage), frame]
    pieces = [piece for piece in garbage.split(b"\0") if piece]
    assert sum(counts) == len(pieces) + 1


def good_frames(data: bytes) -> list[Frame]:
    found = []
    for piece in data.split(b"\0"):
        try:
            found.append(frame_of(unstuffed(piece)))
        except ValueError:
            continue
    return found


@given(frame=frames, data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_frame_with_a_fault_is_dropped_and_counted(
    fresh: Callable[[], Codec], frame: Frame, data: st.DataObject
) -> None:
    wire = frame.encoded[:-1]
    at = data.draw(st.integers(0, len(wire) - 1))
    other = data.draw(st.integers(1, 255).filter(lambda value: value != wire[at]))
    found, counts = fresh().parse(wire[:at] + bytes([other]) + wire[at + 1 :] + b"\0")
    assert not found
    assert counts[0] == 0
    assert sum(counts) == 1


def test_in_pieces_it_is_the_same(fresh: Callable[[], Codec]) -> None:
    codec, frame = fresh(), Frame(3, 1, 5, 7, bytes(range(256)))
    for byte in frame.encoded[:-1]:
        assert codec.parse(bytes([byte])) == ([], NO_COUNTS)
    assert codec.parse(b"\0") == ([frame], (1, 0, 0, 0))


GOOD = Frame(11, 1, 2, 3, b"abc").content


@pytest.mark.parametrize(
    ("wire", "counts"),
    {
        "nothing": (b"\0\0\0", (0, 0, 0, 0)),
        "text": (b"U-Boot 2024.01\r\n\0", (0, 0, 1, 0)),
        "block cut short": (b"\x05ab\0", (0, 0, 1, 0)),
        "empty": (stuffed(b""), (0, 0, 1, 0)),
        "header only": (stuffed(GOOD[:12]), (0, 0, 1, 0)),
        "a byte too few": (stuffed(with_crc(GOOD[:12])[:15]), (0, 0, 1, 0)),
        "another magic": (stuffed(with_crc(b"\xd8" + GOOD[1:-4])), (0, 0, 1, 0)),
        "length too small": (stuffed(with_crc(GOOD[:6] + b"\2\0" + GOOD[8:-4])), (0, 0, 1, 0)),
        "length too large": (stuffed(with_crc(GOOD[:6] + b"\4\0" + GOOD[8:-4])), (0, 0, 1, 0)),
        "length of 65535": (stuffed(with_crc(GOOD[:6] + b"\xff\xff" + GOOD[8:-4])), (0, 0, 1, 0)),
        "another CRC": (stuffed(GOOD[:-1] + bytes([GOOD[-1] ^ 1])), (0, 1, 0, 0)),
        "payload flipped": (stuffed(GOOD[:12] + b"abd" + GOOD[-4:]), (0, 1, 0, 0)),
        "longest": (Frame(1, 0, 0, 0, bytes(PAYLOAD_BYTES)).encoded, (1, 0, 0, 0)),
        "a byte too long": (Frame(1, 0, 0, 0, bytes(PAYLOAD_BYTES + 1)).encoded, (0, 0, 0, 1)),
        "a byte too long, without zeros": (Frame(1, 0, 0, 0, b"x" * (PAYLOAD_BYTES + 1)).encoded, (0, 0, 0, 1)),
        "much too long": (b"\xff" * 100_000 + b"\0", (0, 0, 0, 1)),
        "much too long, of zeros": (b"\x01" * 100_000 + b"\0", (0, 0, 0, 1)),
    }.values(),
)
def test_malformed_things(fresh: Callable[[], Codec], wire: bytes, counts: tuple[int, ...]) -> None:
    codec = fresh()
    assert codec.parse(wire)[1] == counts
    frame = Frame(2, 0, 0, 0)
    assert codec.parse(frame.encoded)[0] == [frame]


def test_nothing_is_encoded_where_it_may_not_fit(fresh: Callable[[], Codec]) -> None:
    frame = Frame(1, 2, 3, 4, b"x" * 300)
    assert fresh().encode(frame, encoded_most(300) - 1) == b""
    assert fresh().encode(frame, encoded_most(300)) != b""
    assert fresh().encode(frame, 0) == b""


@pytest.mark.parametrize("number", [0, 0xFF, 0xFFFF, 0xFFFFFFFF, 0x0123456789ABCDEF])
def test_numbers_of_64_bits(fresh: Callable[[], Codec], number: int) -> None:
    codec = fresh()
    codec.ask(b"n" + struct.pack("<Q", number))
    assert codec.answer(8) == struct.pack("<Q", number + 1)


def test_the_largest_payload_that_a_header_can_tell(fresh: Callable[[], Codec]) -> None:
    frame = Frame(1, 2, 3, 4, bytes(range(256)) * 255 + bytes(255))
    assert len(frame.payload) == HIGHEST
    assert frames_of(fresh().encode(frame, encoded_most(HIGHEST))) == [frame]
