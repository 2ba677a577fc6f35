"""Jobs over bad cables: many of them, with seeds; hang-ups; a killed host (more: benchmarks/link_reliability.py)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.faulty_cable import Faults
from targets.link.frame import wire_bytes
from tests.targets.link.boards import cabled_board, check_job, opened, wait_until
from tests.targets.link.reference_board import Behaviour, ReferenceBoard

JOBS = 60
HALF_WAY = """
import sys
from tests.targets.link.boards import check_job, opened
with opened(sys.argv[1]) as board:
    check_job(board, 256)
"""


@pytest.mark.parametrize("kind", ["pty", "tcp"])
@pytest.mark.parametrize("per_byte", [1e-4, 1e-3])
def test_no_wrong_result(program: Path | None, kind: str, per_byte: float) -> None:
    with cabled_board(program, kind, Faults(per_byte, seed=7)) as cable, opened(cable.host_url) as board:
        for seed in range(JOBS):
            check_job(board, 16 * (1 + seed % 4), seed=seed)
        if per_byte == 1e-3:
            assert board.link.retransmits > JOBS
        assert cable.counts.total() > 0
        assert not board.link.console


@pytest.mark.parametrize("kind", ["pty", "tcp"])
def test_five_hang_ups_in_one_job(program: Path | None, kind: str) -> None:
    cuts = tuple(range(60_000, 360_000, 60_000))
    with cabled_board(program, kind, Faults(cuts=cuts, seed=3)) as cable, opened(cable.host_url) as board:
        check_job(board, 256)
        assert cable.counts["cut"] == 5
        assert board.link.reconnects == 5
        # What had arrived was not sent again: at each cut, a window at most.
        assert board.link.write_bytes <= 4 * 256 * 256 + 5 * board.hello.window_bytes


def test_hang_ups_and_faults_together(program: Path | None) -> None:
    faults = Faults(1e-3, seed=5, cuts=(20_000, 50_000, 90_000))
    with cabled_board(program, "pty", faults) as cable, opened(cable.host_url) as board:
        check_job(board, 128)
        assert cable.counts["cut"] == 3


def test_a_killed_host_is_followed_by_one_that_goes_on() -> None:
    """The second process sends only what the first had not."""
    with ReferenceBoard(Behaviour(write_s=0.005)) as reference:
        url = reference.on_terminal()
        first = subprocess.Popen([sys.executable, "-c", HALF_WAY, url])
        wait_until(lambda: reference.received_write_bytes > 100_000, timeout_s=30)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        time.sleep(0.1)
        arrived = reference.received_write_bytes
        assert arrived < 256 * 256 * 4
        with opened(url) as board:
            check_job(board, 256)
            # A frame that the kill cut in half is lost; nothing else.
            assert board.link.write_bytes <= 256 * 256 * 4 - arrived + wire_bytes(1024)
        assert reference.received_write_bytes <= 256 * 256 * 4 + 2 * wire_bytes(1024)


def test_a_killed_host_and_the_true_agent(agent: Path) -> None:
    with cabled_board(agent, "tcp", Faults(5e-4, seed=2, kinds=("delay",))) as cable:
        first = subprocess.Popen([sys.executable, "-c", HALF_WAY, cable.host_url])
        wait_until(lambda: cable.carried_bytes > 120_000, timeout_s=30)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        with opened(cable.host_url) as board:
            check_job(board, 256)
            assert board.link.write_bytes < 256 * 256 * 4 - 30_000
