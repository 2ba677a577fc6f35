"""The verification of a bundle for a core without an operating system: on a board with that core, which QEMU emulates.

The agent of the bundle is built as for a board on the desk and gets the golden tiles over its UART. After a tile that
the board refuses or dies of, the next one meets a board that was just started.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from compile.golden_run import GoldenRun, misnamed
from compile.verification import Verification, verify_by
from targets.agent_build import build_agent
from targets.descriptions import Target, Threshold
from targets.errors import BoardCrashedError, BoardError, LinkError, NoBoardError
from targets.golden import GoldenTile
from targets.link.client import Board
from targets.machines import EMULATOR, Machine
from targets.transports.qemu_system import QemuSystem


def verify_on_machine(bundle: Path, target: Target, machine: Machine, threshold: Threshold) -> Verification:
    """Runs every golden tile of a bundle, which has its manifest, on an emulated machine.

    target: what the bundle was compiled for. threshold: the target's, for the bundle's precision. Raises ToolchainError
    where the agent cannot be built, NoBoardError where the emulator cannot be started, InputError for golden tiles
    that cannot be used; whatever else goes wrong is a result's failure.
    """
    with tempfile.TemporaryDirectory(prefix="fan-machine-") as folder:
        image = build_agent(bundle, Path(folder) / "agent.elf", machine, target=target)
        command = (EMULATOR, "-M", machine.name, str(image))
        with closing(_Bench(machine, image, command)) as bench:
            return verify_by(bench.run, bundle, command, threshold)


class _Bench:
    """A place for one board at a time, which is started when there is work and none is there."""

    def __init__(self, machine: Machine, image: Path, command: Sequence[str]) -> None:
        self._machine = machine
        self._image = image
        self._command = command
        self._board: Board | None = None

    def run(self, number: int, specialist: str, tile: GoldenTile) -> GoldenRun:
        """Runs one tile. Raises NoBoardError where the emulator cannot be started."""
        try:
            board = self._board = self._board or self._started()
            failure = misnamed(number, board.describe(number).name, specialist)
            run = board.run(number, tile.shot, tile.read, tile.noisy)
        except (LinkError, BoardError) as error:
            evidence = self._evidence()
            self.close()
            return GoldenRun(None, None, None, str(error), evidence, b"")
        written = run.output.astype("<f4").tobytes()
        return GoldenRun(run.output, run.arena_bytes, run.seconds, failure, self._evidence(), written)

    def _started(self) -> Board:
        transport = QemuSystem.boot(self._machine, self._image)
        try:
            return Board(transport)
        except NoBoardError as error:
            transport.close()
            raise BoardCrashedError(error.found) from error
        except BaseException:
            transport.close()
            raise

    def close(self) -> None:
        board, self._board = self._board, None
        if board is not None:
            board.close()

    def _evidence(self) -> str:
        console = self._board.link.console if self._board else ()
        return "\n".join((f"$ {' '.join(self._command)}", *console, ""))
