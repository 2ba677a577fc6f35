"""The byte stuffing against the paper's rules."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from targets.link import cobs


@pytest.mark.parametrize(
    ("data", "encoded"),
    [
        (b"", b"\x01"),
        (b"\0", b"\x01\x01"),
        (b"\0\0", b"\x01\x01\x01"),
        (b"\x11\x22\0\x33", b"\x03\x11\x22\x02\x33"),
        (b"\x11\0\0\0", b"\x02\x11\x01\x01\x01"),
        (bytes(range(1, 254)), b"\xfe" + bytes(range(1, 254))),
        (bytes(range(1, 256)), b"\xff" + bytes(range(1, 255)) + b"\x02\xff"),
        (bytes(range(1, 255)) + b"\0", b"\xff" + bytes(range(1, 255)) + b"\x01\x01"),
    ],
)
def test_known_answers(data: bytes, encoded: bytes) -> None:
    assert cobs.encode(data) == encoded
    assert cobs.decode(encoded) == data


def test_a_block_of_254_at_the_end_may_go_without_another_block() -> None:
    assert cobs.decode(b"\xff" + bytes(range(1, 255))) == bytes(range(1, 255))


@given(st.binary(max_size=1200) | st.lists(st.sampled_from([b"\0", b"x" * 253, b"x" * 254, b"y"])).map(b"".join))
@example(b"x" * 254)
def test_decoding_gives_back_what_was_encoded(data: bytes) -> None:
    encoded = cobs.encode(data)
    assert 0 not in encoded
    assert len(encoded) <= len(data) + len(data) // 254 + 1
    assert cobs.decode(encoded) == data


@given(st.binary(max_size=600))
def test_other_bytes_are_an_error_or_shorter_data(encoded: bytes) -> None:
    with suppress(cobs.CobsError):
        assert len(cobs.decode(encoded)) <= len(encoded)


@pytest.mark.parametrize("encoded", [b"\x05ab", b"\0", b"\x03a\0", b"\x02a\0"])
def test_what_no_encoder_makes_is_refused(encoded: bytes) -> None:
    with pytest.raises(cobs.CobsError):
        cobs.decode(encoded)
