"""An agent on this machine that ends with the process that started it, however that ends."""

from __future__ import annotations

import ctypes
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_PR_SET_PDEATHSIG = 1
# Looked up before there is a child: between fork and exec, nothing may wait for a lock that another thread held.
_PRCTL = ctypes.CDLL(None).prctl


@contextmanager
def agent_process(command: Sequence[Path | str]) -> Iterator[subprocess.Popen[str]]:
    """Runs a program for Linux, its standard error on a pipe. The thread that starts it must not end before it."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=_die_with_parent)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


def _die_with_parent() -> None:
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)
