"""Negotiation of the rate, over a wire that garbles what is sent at another rate than it is heard at."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.faulty_cable import Faults
from targets.link.client import Board
from targets.transports import START_BAUD
from targets.transports.byte_stream import ByteStream
from tests.targets.link.boards import cabled_board, check_job, opened
from tests.targets.link.reference_board import Behaviour, ReferenceBoard

BOARD_GIVES_UP_S = 0.9


class Wire:
    """A transport to a board whose rate it knows. `limit`: fastest rate of the cable, beyond which bits flip."""

    description = "wire"

    def __init__(self, near: socket.socket, board: ReferenceBoard, limit: int, port_limit: int) -> None:
        self._socket = near
        self._stream = ByteStream(near.fileno(), near.fileno())
        self._board = board
        self._limit = limit
        self._port_limit = port_limit
        self._heard_s = time.monotonic()
        self.baud: int = START_BAUD

    def read(self, timeout_s: float) -> bytes:
        return self._carried(self._stream.read(timeout_s))

    def write(self, data: bytes) -> None:
        # The board's part of the bargain: it goes back to the first rate when it hears nothing for a while.
        if self._board.baud == self.baud:
            self._heard_s = time.monotonic()
        elif time.monotonic() - self._heard_s > BOARD_GIVES_UP_S:
            self._board.baud = START_BAUD
        self._stream.write(self._carried(data))

    def _carried(self, data: bytes) -> bytes:
        if self.baud == self._board.baud and self.baud <= self._limit:
            return data
        return bytes(byte ^ 0x41 if place % 50 == 9 else byte for place, byte in enumerate(data))

    def set_baud(self, baud: int) -> None:
        if baud > self._port_limit:
            raise OSError("not a rate of this port")
        # As long as a true port takes: what the board wrote before it changed its rate has arrived.
        time.sleep(0.05)
        self.baud = baud

    def reopen(self) -> None:
        self.baud = START_BAUD

    def close(self) -> None:
        self._socket.close()


@contextmanager
def wired(limit: int, port_limit: int = 10_000_000, board_limit: int = 10_000_000) -> Iterator[tuple[Board, Wire]]:
    near, far = socket.socketpair()
    os.set_blocking(far.fileno(), False)
    with far, ReferenceBoard(Behaviour(can_baud=lambda rate: rate <= board_limit)) as reference:
        reference.on_descriptor(far.fileno())
        wire = Wire(near, reference, limit, port_limit)
        with Board(wire) as board:
            yield board, wire


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"limit": 10_000_000}, 3_000_000),
        ({"limit": 1_000_000}, 921_600),
        ({"limit": 200_000}, 115_200),
        ({"limit": 10_000_000, "board_limit": 1_000_000}, 921_600),
        ({"limit": 10_000_000, "port_limit": 1_000_000}, 921_600),
        ({"limit": 10_000_000, "port_limit": 200_000}, 115_200),
    ],
    ids=["all", "cable at 1 M", "cable at 200 k", "board at 1 M", "port at 1 M", "port at 200 k"],
)
def test_the_fastest_rate_that_all_can(limits: dict[str, int], expected: int) -> None:
    with wired(**limits) as (board, wire):
        assert board.negotiate_baud() == expected
        assert board.link.baud == wire.baud == expected
        check_job(board, 16)


def test_a_rate_that_goes_bad_is_left() -> None:
    with wired(10_000_000) as (board, wire):
        assert board.negotiate_baud() == 3_000_000
        wire._limit = 500_000
        board._exchange.patience_s = 1.0
        check_job(board, 32)
        assert wire.baud == START_BAUD


def test_what_has_no_rate_is_left_alone() -> None:
    near, far = socket.socketpair()
    with far, ReferenceBoard() as reference:
        reference.on_descriptor(far.fileno())
        wire = Wire(near, reference, 0, 0)
        wire.baud = None  # type: ignore[assignment]
        reference.baud = None  # type: ignore[assignment]
        wire._carried = lambda data: data  # type: ignore[method-assign]
        with Board(wire) as board:
            assert board.negotiate_baud() is None


def test_rates_of_the_true_agent(agent: Path) -> None:
    with cabled_board(agent, "pty", Faults()) as cable:
        for _ in range(2):  # BYE takes the agent back to the first rate
            with opened(cable.host_url) as board:
                assert board.negotiate_baud() == 3_000_000
                check_job(board, 64)
                assert (board.link.baud, board.link.retransmits) == (3_000_000, 0)
