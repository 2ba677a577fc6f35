"""Boards for the tests: the reference board in Python, and the true agent as a program with a stand-in library."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.agent_process import agent_process
from benchmarks.faulty_cable import Faults, PtyCable, TcpCable
from targets.link.client import Board
from targets.transports.serial_port import SerialPort
from tests.targets.link.reference_board import ReferenceBoard, denoised

SHOT = (0.25, 0.5, 0.125)
READ = (0.0625, 0.5, 0.75)


def tile(width: int, height: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng([seed, width, height]).random((height, width), dtype=np.float32)


def check_job(board: Board, size: int, *, specialist: int = 0, seed: int = 0) -> None:
    """Runs a tile of that size and checks what comes back."""
    sent = tile(size, size, seed)
    run = board.run(specialist, SHOT, READ, sent)
    np.testing.assert_array_equal(run.output, denoised(specialist, SHOT, READ, sent))


def address_of(process: subprocess.Popen[str]) -> tuple[str, int]:
    """Of an agent that was started with `--tcp 0`."""
    assert process.stderr
    line = process.stderr.readline()
    found = re.match(r"listening on ([\d.]+):(\d+)$", line)
    assert found, line
    return found[1], int(found[2])


@contextmanager
def cabled_board(program: Path | None, kind: str, faults: Faults) -> Iterator[PtyCable | TcpCable]:
    """A board behind a cable, `pty` or `tcp`. program: of the agent; None for the reference board."""
    with ExitStack() as stack:
        if program is None:
            reference = stack.enter_context(ReferenceBoard())
            if kind == "tcp":
                yield stack.enter_context(TcpCable(reference.on_tcp(), faults))
            else:
                # The board is closed first: it must not meet the terminal's end.
                cable = PtyCable(faults)
                stack.enter_context(ReferenceOn(reference, cable))
                yield cable
        elif kind == "tcp":
            process = stack.enter_context(agent_process([program, "--tcp", "0"]))
            yield stack.enter_context(TcpCable(address_of(process), faults))
        else:
            cable = stack.enter_context(PtyCable(faults))
            stack.enter_context(agent_process([program, "--tty", cable.board_path]))
            yield cable


class ReferenceOn:
    """Lets a reference board serve the board's end of a cable."""

    def __init__(self, board: ReferenceBoard, cable: PtyCable) -> None:
        self._board, self._cable = board, cable

    def __enter__(self) -> None:
        self._file = Path(self._cable.board_path).open("rb+", buffering=0)
        self._board.on_descriptor(self._file.fileno())

    def __exit__(self, *_: object) -> None:
        self._board.close()
        self._file.close()
        self._cable.close()


def opened(url: str, **patience: float) -> Board:
    """A board at a serial port, with less patience than users have."""
    transport = SerialPort(url)
    try:
        return Board(transport, **patience)
    except BaseException:
        transport.close()
        raise


def wait_until(condition: object, timeout_s: float = 5.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
