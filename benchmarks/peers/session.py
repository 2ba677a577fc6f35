"""The other end of `benchmarks.peers.worker`: starts engines' processes and lets only one of them run at a time."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
PATIENCE_S = 3600.0
THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class EngineError(Exception):
    """Why an engine can't be measured."""


class MissingModule(EngineError):
    """A module that isn't installed. name: which."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no module named {name}")
        self.name = name


class Engine:
    """One engine's process, confined to some CPUs. Between requests it is stopped: threads of its that spin while
    they wait for work would take time from the others."""

    def __init__(self, python: str, cpus: Sequence[int], patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        environment = os.environ | dict.fromkeys(THREAD_SETTINGS, str(len(cpus)))
        command = [python, "-m", "benchmarks.peers.worker", ",".join(map(str, cpus))]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            bufsize=0,
        )

    def ask(self, do: str, **details: object) -> dict[str, Any]:
        """The answer to a request. Raises EngineError if the engine fails, dies or takes too long."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        self._signal(signal.SIGCONT)
        try:
            stdin.write(json.dumps({"do": do} | details).encode() + b"\n")
        except BrokenPipeError as error:
            raise EngineError(self._last_words()) from error
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([stdout], [], [], self._patience_s)[0]:
                raise EngineError(f"no answer to {do} in {self._patience_s:.0f} s")
            part = os.read(stdout.fileno(), 1 << 16)
            if not part:
                raise EngineError(self._last_words())
            line += part
        self._signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        answer: dict[str, Any] = json.loads(line)
        if "missing" in answer:
            raise MissingModule(answer["missing"])
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._messages):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)

    def _last_words(self) -> str:
        """Exit code and last line of a process that ended."""
        code = self._process.wait()
        self._messages.seek(0)
        lines = self._messages.read().decode(errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "without a word")
        return f"ended with {code}: {last}"
