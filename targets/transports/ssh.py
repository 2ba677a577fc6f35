"""An agent on a board with Linux, reached by the OpenSSH client: bytes go over the agent's stdin and stdout.

`ssh:[USER@]HOST:PATH` starts the agent that lies there. `ssh:[USER@]HOST` builds that of the bundle, copies it into a
temporary file on the board, and removes it at the end. Port, key and jump hosts belong into ~/.ssh/config.
"""

from __future__ import annotations

import logging
import shlex
import subprocess
import tempfile
from pathlib import Path

from isp.errors import ConfigError
from targets.descriptions import Target
from targets.errors import BoardError, NoBoardError
from targets.transports.agent_process import AgentProcess, death
from targets.transports.byte_stream import ByteStream

logger = logging.getLogger(__name__)

CLIENT = ("ssh",)
_OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-T")
_COPY_TIMEOUT_S = 120.0
_END_S = 2.0
# What ssh and a POSIX shell end with.
_SSH_FAILED = 255
_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
_SIGNAL_BASE = 128


class SshAgent:
    """A running agent on a board; `close` stops it and takes away what was copied."""

    def __init__(self, host: str, path: str, *, copied: bool) -> None:
        """Starts the agent at `path` on the host.

        copied: it is ours to remove. Raises NoBoardError if there is no ssh.
        """
        self.description = f"ssh:{host}"
        self._host = host
        self._path = path
        self._copied = copied
        self._heard = False
        self._open()

    @classmethod
    def start(cls, address: str, *, bundle: Path | None, target: Target | None = None) -> SshAgent:
        """Connects to `[USER@]HOST[:PATH]`.

        Raises ConfigError if neither a path nor a bundle is given, NoBoardError if the host cannot be reached or
        refuses, and what `targets.agent_build.build_agent` raises.
        """
        host, _, path = address.partition(":")
        if not host or host.startswith("-"):
            raise ConfigError(f"ssh:{address} names no host", expected="ssh:USER@HOST or ssh:USER@HOST:PATH")
        if path:
            return cls(host, path, copied=False)
        if bundle is None:
            raise ConfigError(
                f"ssh:{address} names no agent on the board, and there is no bundle to build it from",
                expected="a bundle, or ssh:USER@HOST:PATH of an agent that is there",
            )
        return cls(host, _copy_agent(host, bundle, target), copied=True)

    @property
    def baud(self) -> int | None:
        return None

    def read(self, timeout_s: float) -> bytes:
        try:
            data = self._stream.read(timeout_s)
        except OSError:
            self._explain_end()
            raise
        self._heard = self._heard or bool(data)
        return data

    def write(self, data: bytes) -> None:
        try:
            self._stream.write(data)
        except OSError:
            self._explain_end()
            raise

    def set_baud(self, baud: int) -> None:
        """A network has no such rate."""

    def reopen(self) -> None:
        self._agent.stop()
        self._open()

    def close(self) -> None:
        self._agent.stop()
        if self._copied:
            self._copied = False
            try:
                _remote(self._host, f"rm -f {shlex.quote(self._path)}")
            except NoBoardError as error:
                logger.warning("%s stays at %s: %s", self._path, self._host, error)

    def _open(self) -> None:
        # With a command after it, a shell stays to tell of the signal that the agent died of.
        command = f"{shlex.quote(self._path)} --stdio; exit $?"
        try:
            self._agent = AgentProcess(_command(self._host, command), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as error:
            raise _no_client(error) from error
        process = self._agent.process
        assert process.stdin is not None
        assert process.stdout is not None
        self._stream = ByteStream(process.stdout.fileno(), process.stdin.fileno())

    def _explain_end(self) -> None:
        """Raises the error that ssh's exit code stands for; returns where connecting anew may help."""
        try:
            code = self._agent.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return
        said = self._agent.said()
        if code == _NOT_FOUND:
            raise NoBoardError(
                f"there is no agent {self._path} at {self._host} ({said})",
                remedy="copy it there (`python -m targets agent` builds it), or name no path and a bundle",
            )
        if code == _NOT_EXECUTABLE:
            raise BoardError(
                f"the agent {self._path} cannot be executed at {self._host} ({said})",
                remedy="make it executable; build it for this board's core",
            )
        if code == _SSH_FAILED and not self._heard:
            raise _unreachable(self._host, said)
        if _SIGNAL_BASE < code < _SSH_FAILED:
            raise death(self.description, code - _SIGNAL_BASE, said)


def _copy_agent(host: str, bundle: Path, target: Target | None) -> str:
    """Builds the agent and streams it into a temporary file of the board; returns its path."""
    from targets.agent_build import build_agent

    with tempfile.TemporaryDirectory(prefix="fan-agent-") as folder:
        program = build_agent(bundle, Path(folder) / "fan-agent", None, target=target).read_bytes()
    # umask and mode: on a board with several users, nobody else may put another program there.
    place = "${TMPDIR:-/tmp}/fan-agent-XXXXXX"
    script = f'umask 077; f=$(mktemp "{place}") && cat > "$f" && chmod 700 "$f" && echo "$f"'
    return _remote(host, script, program).decode().strip()


def _remote(host: str, command: str, data: bytes = b"") -> bytes:
    """What a command on the host writes to stdout. Raises NoBoardError if it fails."""
    try:
        done = subprocess.run(
            _command(host, command),
            input=data,
            capture_output=True,
            timeout=_COPY_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NoBoardError(f"{host} does not end `{command}` within {_COPY_TIMEOUT_S:.0f} s") from error
    except OSError as error:
        raise _no_client(error) from error
    if done.returncode:
        raise _unreachable(host, done.stderr.decode("utf-8", errors="replace").strip())
    return done.stdout


def _command(host: str, command: str) -> list[str]:
    return [*CLIENT, *_OPTIONS, "--", host, command]


def _no_client(error: OSError) -> NoBoardError:
    return NoBoardError(f"ssh cannot be started ({error})", remedy="sudo apt-get install openssh-client")


def _unreachable(host: str, said: str) -> NoBoardError:
    return NoBoardError(
        f"{host} cannot be used over ssh ({said or 'no message'})",
        remedy=f"`ssh {host} true` must work without a password: add a key with ssh-copy-id",
    )
