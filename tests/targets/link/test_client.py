"""Jobs over good cables: the reference board and the true agent give the same; refusals are told in plain words."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.agent_process import agent_process
from benchmarks.faulty_cable import Faults
from targets.core_features import CoreFeature
from targets.errors import (
    BoardCrashedError,
    BoardError,
    BoardMemoryError,
    BoardTakenError,
    LinkError,
    LinkVersionError,
    NoBoardError,
    UnsupportedCoreError,
)
from targets.link.client import Board
from tests.targets.link.boards import READ, SHOT, address_of, cabled_board, check_job, opened, tile
from tests.targets.link.reference_board import Behaviour, ReferenceBoard, denoised


@pytest.fixture(params=["pty", "tcp"])
def board(request: pytest.FixtureRequest, program: Path | None) -> Iterator[Board]:
    with cabled_board(program, request.param, Faults()) as cable, opened(cable.host_url) as made:
        yield made


def test_tiles_of_several_sizes(board: Board) -> None:
    for width, height in ((16, 16), (64, 32), (16, 128), (256, 256)):
        sent = tile(width, height)
        run = board.run(1, SHOT, READ, sent)
        assert run.output.dtype == np.float32
        np.testing.assert_array_equal(run.output, denoised(1, SHOT, READ, sent))
        assert run.seconds == pytest.approx(run.ticks / board.hello.tick_hz)
    assert (board.link.retransmits, board.link.bad_frames, board.link.resets) == (0, 0, 0)


def test_what_a_board_says(board: Board) -> None:
    assert board.hello.specialists == 4
    assert board.describe(1).name == "night"
    assert board.echo(b"there and back") == b"there and back"
    check_job(board, 16)
    assert board.stats().runs == 1
    with pytest.raises(BoardError, match="DESCRIBE with BAD_ARGUMENT"):
        board.describe(99)


def test_a_tile_that_is_not_contiguous(board: Board) -> None:
    sent = tile(64, 64)[::2, ::-2]
    np.testing.assert_array_equal(board.run(0, SHOT, READ, sent).output, denoised(0, SHOT, READ, sent))


def test_the_same_tile_twice_is_computed_twice(board: Board) -> None:
    for runs in (1, 2, 3):
        check_job(board, 16)
        assert board.stats().runs == runs


def test_a_size_that_the_library_refuses(board: Board) -> None:
    with pytest.raises(BoardError) as caught:
        board.run(0, SHOT, READ, tile(24, 16))
    assert caught.value.exit_code == 6
    check_job(board, 16)


def test_a_slow_run_is_waited_for(board: Board) -> None:
    if board.hello.board == "reference":
        pytest.skip("it has no slow specialist")
    check_job(board, 256, specialist=3)
    assert board.link.busy_replies >= 3
    assert board.link.retransmits == 0


def test_a_tile_is_fast(board: Board) -> None:
    """Time of this process alone, since the machine may be busy; and nothing is waited for that need not be."""
    check_job(board, 64, seed=9)
    for size in (16, 64):
        frames_before, began = board.link.frames_sent, time.process_time()
        for seed in range(5):
            check_job(board, size, seed=seed)
        assert time.process_time() - began < 5 * 0.02
        # OPEN, COMMIT, RUN; 1 KiB in each WRITE and READ.
        assert board.link.frames_sent - frames_before == 5 * (3 + 2 * (size * size * 4 // 1024))


def test_memory_that_is_too_small(agent: Path) -> None:
    with agent_process([agent, "--tcp", "0", "--memory", "65536"]) as process:
        host, port = address_of(process)
        with opened(f"socket://{host}:{port}") as board:
            check_job(board, 16)
            for width in (112, 512):  # the arena does not fit, the input does not
                with pytest.raises(BoardMemoryError, match="65,536 bytes of memory do not hold") as caught:
                    board.run(3, SHOT, READ, tile(width, 64))
                assert caught.value.exit_code == 6
            check_job(board, 16)


@pytest.mark.parametrize(
    ("behaviour", "error", "message"),
    [
        (Behaviour(version=2), LinkVersionError, "speaks version 2 of the link"),
        (Behaviour(silent=True), NoBoardError, "no agent answers at /dev/pts/"),
        (Behaviour(max_payload=0), LinkError, "HELLO: blocks of 256 bytes, payloads of 0"),
    ],
    ids=["version", "silent", "malformed"],
)
def test_boards_that_cannot_be_greeted(behaviour: Behaviour, error: type[Exception], message: str) -> None:
    with ReferenceBoard(behaviour) as reference:
        url = reference.on_terminal()
        with pytest.raises(error, match=message):
            opened(url, patience_s=0.6)


def test_a_core_that_lacks_what_the_library_needs() -> None:
    needed = CoreFeature.NEON | CoreFeature.FP16
    with ReferenceBoard(Behaviour(needed_features=needed)) as reference, opened(reference.on_terminal()) as board:
        with pytest.raises(UnsupportedCoreError, match="its core lacks fp16, which its library") as caught:
            board.run(0, SHOT, READ, tile(16, 16))
        assert caught.value.exit_code == 6


def test_console_text_between_frames_is_kept() -> None:
    behaviour = Behaviour(chatter=b"[12.5] sensor: frame dropped\r\n")
    with ReferenceBoard(behaviour) as reference, opened(reference.on_terminal()) as board:
        check_job(board, 64)
        assert set(board.link.console) == {"[12.5] sensor: frame dropped"}
        assert (board.link.retransmits, board.link.bad_frames) == (0, 0)


def test_somebody_else_at_the_port_is_quoted() -> None:
    with ReferenceBoard(Behaviour(silent=True)) as reference:
        url = reference.on_terminal()
        # What comes before a port is opened is thrown away.
        threading.Timer(0.3, reference.say, (b"\r\nraspberrypi login: ",)).start()
        with pytest.raises(NoBoardError, match=r'something says "raspberrypi login:".*login console'):
            opened(url, patience_s=0.6)


def test_a_board_that_dies_is_quoted() -> None:
    behaviour = Behaviour(row_s=0.001, last_words=b"\r\nHardFault pc=0x00001234 lr=0x5678\r\nhalted\r\n")
    with ReferenceBoard(behaviour) as reference, opened(reference.on_terminal()) as board:
        began = time.monotonic()
        with pytest.raises(BoardCrashedError, match='it said "HardFault pc=0x00001234 lr=0x5678"; "halted"'):
            board.run(0, SHOT, READ, tile(64, 64))
        assert time.monotonic() - began < 5


def test_a_reset_in_the_middle_is_survived() -> None:
    with ReferenceBoard(Behaviour(resets_after_writes=(5,))) as reference, opened(reference.on_terminal()) as board:
        check_job(board, 64)
        assert board.link.resets == 1
        check_job(board, 32)


def test_a_reset_in_a_run_is_survived() -> None:
    behaviour = Behaviour(crashes_in_runs=2, row_s=0.001)
    with ReferenceBoard(behaviour) as reference, opened(reference.on_terminal()) as board:
        check_job(board, 64)
        assert board.link.resets == 2


def test_a_crash_in_a_run_is_not_tried_again() -> None:
    behaviour = Behaviour(crashes_in_runs=9, crash_text=b"Kernel panic - not syncing\r\n", row_s=0.001)
    with ReferenceBoard(behaviour) as reference, opened(reference.on_terminal()) as board:
        with pytest.raises(BoardCrashedError, match='crashed and started anew; it said "Kernel panic - not syncing"'):
            board.run(0, SHOT, READ, tile(64, 64))
        assert board.link.resets == 1


def test_a_board_that_starts_anew_again_and_again() -> None:
    behaviour = Behaviour(crashes_in_runs=99, row_s=0.001)
    expected = pytest.raises(BoardCrashedError, match="started anew 4 times in the middle of the same work")
    with ReferenceBoard(behaviour) as reference, opened(reference.on_terminal()) as board, expected:
        board.run(0, SHOT, READ, tile(64, 64))


def test_two_hosts(program: Path | None) -> None:
    with cabled_board(program, "tcp", Faults()) as cable:
        # The cable carries one connection; the second host has a cable of its own to the same board.
        url = f"socket://{cable.board_address[0]}:{cable.board_address[1]}"
        with opened(url) as first:
            check_job(first, 16)
            began = time.monotonic()
            with pytest.raises(BoardTakenError, match="another host works with the board at socket://") as caught:
                opened(url, taken_patience_s=0.3)
            assert caught.value.exit_code == 4
            assert time.monotonic() - began < 2.5
            check_job(first, 16, seed=1)
        with opened(url, taken_patience_s=0) as second:
            check_job(second, 16)


def test_a_host_that_fell_silent_loses_the_board_and_gets_it_back(program: Path | None) -> None:
    with cabled_board(program, "tcp", Faults()) as cable:
        url = f"socket://{cable.board_address[0]}:{cable.board_address[1]}"
        with opened(url) as first:
            check_job(first, 16)
            with opened(url, taken_patience_s=5) as second:
                check_job(second, 16, seed=2)
            check_job(first, 16, seed=3)
