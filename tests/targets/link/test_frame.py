"""Frames in a stream that is cut, hurt and talked into."""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from targets.link import cobs
from targets.link.frame import Debris, Frame, FrameDecoder, parse, wire_bytes

frames = st.builds(
    Frame,
    op=st.integers(0, 255),
    session_or_status=st.integers(0, 255),
    sequence=st.integers(0, 0xFFFF),
    arg=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=700),
    version=st.just(1) | st.integers(0, 255),
)
printed = st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=60).map(str.encode)


def fed(data: bytes) -> list[Frame | Debris]:
    return list(FrameDecoder().feed(data))


def test_layout_on_the_wire() -> None:
    content = bytes.fromhex("d7 01 09 05 3412 0600 78563412") + b"payloa"
    content += struct.pack("<I", zlib.crc32(content))
    assert Frame(9, 5, 0x1234, 0x12345678, b"payloa").encode() == cobs.encode(content) + b"\0"


@given(frames)
def test_a_frame_comes_back_and_is_no_longer_than_announced(frame: Frame) -> None:
    encoded = frame.encode()
    assert encoded.count(0) == 1
    assert len(encoded) <= wire_bytes(len(frame.payload))
    assert fed(encoded) == [frame]


@given(st.lists(frames, max_size=4), st.lists(st.integers(0, 4000), max_size=6))
def test_pieces_of_any_size(sent: list[Frame], cuts: list[int]) -> None:
    stream = b"".join(frame.encode() for frame in sent)
    decoder = FrameDecoder()
    bounds = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    received = [piece for start, end in pairwise(bounds) for piece in decoder.feed(stream[start:end])]
    assert received == sent


@given(frames, printed, frames, st.booleans())
def test_text_between_frames_is_separated(first: Frame, text: bytes, second: Frame, ends_with_zero: bool) -> None:
    stream = first.encode() + text + b"\0" * ends_with_zero + second.encode()
    received = fed(stream)
    assert [piece for piece in received if isinstance(piece, Frame)] == [first, second]
    assert b"".join(piece.data for piece in received if isinstance(piece, Debris)) == text


@given(frames, frames, st.data())
def test_a_fault_costs_at_most_the_frames_that_it_touches(hurt: Frame, whole: Frame, data: st.DataObject) -> None:
    encoded = bytearray(hurt.encode())
    place = data.draw(st.integers(0, len(encoded) - 1))
    kind = data.draw(st.sampled_from(["drop", "flip", "insert"]))
    if kind == "drop":
        del encoded[place]
    elif kind == "flip":
        encoded[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        encoded.insert(place, data.draw(st.integers(0, 255)))
    received = [piece for piece in fed(bytes(encoded) + b"\0" + whole.encode()) if isinstance(piece, Frame)]
    # An inserted zero before or after it, or a byte before it, does no harm.
    assert received in ([whole], [hurt, whole])
    if kind != "insert" and place < len(encoded) - 1:
        assert received == [whole]


@given(st.binary(max_size=300))
def test_noise_is_no_frame(noise: bytes) -> None:
    assert not any(isinstance(piece, Frame) for piece in fed(noise + b"\0"))


def test_wrong_magic_length_and_crc_are_no_frames() -> None:
    content = bytes.fromhex("d7 01 09 05 3412 0100 78563412") + b"p"

    def sealed(inside: bytes) -> bytes:
        return cobs.encode(inside + struct.pack("<I", zlib.crc32(inside)))

    assert parse(sealed(content)) == Frame(9, 5, 0x1234, 0x12345678, b"p")
    assert parse(sealed(b"\xd6" + content[1:])) is None
    assert parse(sealed(content + b"more")) is None
    assert parse(sealed(content[:-1])) is None
    assert parse(cobs.encode(content + struct.pack("<I", zlib.crc32(content) ^ 1))) is None


def test_what_is_kept_is_bounded_and_can_be_flushed() -> None:
    decoder = FrameDecoder()
    dropped = sum(
        len(piece.data) for _ in range(300) for piece in decoder.feed(b"x" * 1000) if isinstance(piece, Debris)
    )
    rest = list(decoder.flush())
    assert dropped >= 100_000
    assert dropped + sum(len(piece.data) for piece in rest) == 300_000
    assert list(decoder.flush()) == []


def test_a_new_connection_starts_clean() -> None:
    decoder = FrameDecoder()
    frame = Frame(1, 2, 3, 4, b"payload")
    assert list(decoder.feed(b"\x20half a frame")) == []
    decoder.reset()
    assert list(decoder.feed(frame.encode())) == [frame]
