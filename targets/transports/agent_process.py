"""An agent that was started as a process: what it says on stderr, and what it died of."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence

from targets.errors import BoardCrashedError, UnsupportedCoreError

_STOP_S = 2.0
_MOST_TEXT_BYTES = 2000


class AgentProcess:
    """A process whose stderr is kept."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Raises OSError if the command cannot be started."""
        # A file, since a pipe that nobody reads would stop the process when it is full.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 it lives as long as the process
        self.process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=self._stderr,
            env=environment,
            # Ctrl-C in the terminal is for the program alone, which then stops the agent.
            start_new_session=True,
        )

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative after a signal."""
        return self.process.poll()

    def said(self) -> str:
        """The end of what it wrote to stderr, as one line."""
        self._stderr.seek(0, 2)
        self._stderr.seek(max(0, self._stderr.tell() - _MOST_TEXT_BYTES))
        text = self._stderr.read().decode("utf-8", errors="replace")
        return "; ".join(line.strip() for line in text.splitlines() if line.strip())

    def stop(self) -> None:
        """Ends it, by force if need be. May be called again."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()
        self._stderr.close()


def death(board: str, signal_number: int, said: str) -> BoardCrashedError | UnsupportedCoreError:
    """The error for an agent that died of a signal."""
    words = f"; it said: {said}" if said else ""
    if signal_number == signal.SIGILL:
        return UnsupportedCoreError(
            f"the agent on {board} died of SIGILL: an instruction that this core lacks{words}",
            remedy="compile for this core (`python -m targets list` shows the targets)",
        )
    try:
        name = signal.Signals(signal_number).name
    except ValueError:
        name = f"signal {signal_number}"
    return BoardCrashedError(f"the agent on {board} died of {name}{words}")
