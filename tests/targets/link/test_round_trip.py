"""The retransmission timer."""

from __future__ import annotations

import pytest

from targets.link.round_trip import RoundTrip


def test_before_the_first_reply_it_waits_a_quarter_of_a_second_then_longer() -> None:
    assert [RoundTrip().timeout_s(tries) for tries in (0, 1, 2, 9)] == [0.25, 0.5, 1.0, 1.0]


def test_it_follows_the_replies() -> None:
    timer = RoundTrip()
    for _ in range(50):
        timer.sample(0.1, 0)
    assert timer.timeout_s(0) == pytest.approx(0.1, rel=0.02)
    timer.sample(0.5, 0)
    assert timer.timeout_s(0) > 0.4


def test_the_floor_rises_where_it_was_too_low() -> None:
    timer = RoundTrip()
    for _ in range(50):
        timer.sample(0.0001, 0)
    assert timer.timeout_s(0) == 0.02
    timer.asked_in_vain()
    assert timer.timeout_s(0) == 0.04
    for _ in range(20):
        timer.asked_in_vain()
    assert timer.timeout_s(0) == 0.5
    for _ in range(200):
        timer.sample(0.0001, 0)
    assert timer.timeout_s(0) == 0.02


def test_bytes_take_their_time_on_a_wire() -> None:
    timer = RoundTrip()
    assert timer.wire_s(1152, 115200) == pytest.approx(0.1)
    assert timer.wire_s(1152, None) == 0
    timer.sample(0.01, 1152)
    assert timer.wire_s(1152, 115200) == pytest.approx(0.01)
