"""Agents that are started here: natively and emulated, and those that die."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from isp.errors import ConfigError
from targets import agent_build
from targets.errors import BoardCrashedError, NoBoardError, UnsupportedCoreError
from targets.link.client import Board
from targets.transports import open_transport, user_agent
from targets.transports.user_agent import UserAgent
from tests.firmware_hooks.link.programs import HOOKS, LINK, LINUX_PORT, STUBS, WARNINGS
from tests.targets.link.boards import check_job, wait_until

BUNDLE = Path("build/some-bundle")


def builder(program: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Lets `build_agent` copy a program; the list is of where to."""
    outputs: list[Path] = []

    def build_agent(bundle: Path, output: Path, machine: None, *, target: None) -> Path:
        assert bundle == BUNDLE
        outputs.append(output)
        return Path(shutil.copy2(program, output))

    monkeypatch.setattr(agent_build, "build_agent", build_agent)
    return outputs


def test_the_agent_of_a_bundle_natively(agent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = builder(agent, monkeypatch)
    with Board.open("user:host", bundle=BUNDLE) as board:
        assert outputs[0].exists()
        check_job(board, 64)
        assert board.link.baud is None
        assert board.negotiate_baud() is None
        process = board._exchange.transport._agent.process
    assert process.poll() is not None
    assert not outputs[0].parent.exists()


@pytest.mark.skipif(not shutil.which("aarch64-linux-gnu-gcc"), reason="no compiler for 64-bit Arm on this machine")
@pytest.mark.skipif(not shutil.which("qemu-aarch64"), reason="no qemu-aarch64 on this machine")
def test_the_agent_of_a_bundle_emulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "fan-agent"
    includes = (f"-I{HOOKS / 'link'}", f"-I{HOOKS / 'include'}")
    sources = [*LINK, *STUBS, *LINUX_PORT]
    command = ["aarch64-linux-gnu-gcc", *WARNINGS, "-O1", "-static", *includes, *sources, "-o", program]
    assert os.spawnvp(os.P_WAIT, command[0], [str(word) for word in command]) == 0
    builder(program, monkeypatch)
    with Board.open("user:cortex-a72", bundle=BUNDLE) as board:
        check_job(board, 64)
        assert board.hello.core_features.words == "neon"
    with Board.open("user:cortex-a76", bundle=BUNDLE) as board:
        assert board.hello.core_features.words == "neon, fp16, dot-product"


def test_a_core_that_is_not_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")):
        pytest.skip("no qemu-aarch64 on this machine")
    with pytest.raises(ConfigError, match=r"user:cortex-a99: .* emulates no such core; expected host or .*cortex-a72"):
        open_transport("user:cortex-a99", bundle=BUNDLE)


HARNESS = """
import sys, time
from targets.transports.user_agent import UserAgent

transport = UserAgent("user:test", [sys.argv[1]], None)
print(transport._agent.process.pid, flush=True)
time.sleep(60)
"""


def test_a_harness_that_is_killed_leaves_no_agent(agent: Path) -> None:
    """The terminal goes with it, and the next one to have that terminal's name must not meet the agent."""
    with subprocess.Popen([sys.executable, "-c", HARNESS, agent], stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        running = Path("/proc", harness.stdout.readline().strip(), "status")
        assert running.exists()
        harness.kill()
    wait_until(lambda: not running.exists() or "State:\tZ" in running.read_text(), 30)


def script(folder: Path, text: str) -> list[str]:
    path = folder / "agent.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return [str(path)]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("echo trap >&2; kill -ILL $$", UnsupportedCoreError, "died of SIGILL: .*; it said: trap; compile for this"),
        ("kill -SEGV $$", BoardCrashedError, "the agent on user:test died of SIGSEGV$"),
        ("echo no port >&2; exit 2", BoardCrashedError, "ended with exit code 2: no port"),
    ],
    ids=["SIGILL", "SIGSEGV", "exit"],
)
def test_an_agent_that_dies(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    transport = UserAgent("user:test", script(tmp_path, text), None)
    began = time.monotonic()
    with pytest.raises(error, match=message):
        Board(transport)
    assert time.monotonic() - began < 4.5  # less than the patience with a silent board
    transport.close()


def test_an_agent_that_never_speaks_is_stopped(tmp_path: Path) -> None:
    transport = UserAgent("user:test", script(tmp_path, "exec sleep 60"), None)
    with pytest.raises(NoBoardError, match="no agent answers at user:test"):
        Board(transport, patience_s=0.5)
    transport.close()
    transport.close()
    assert transport._agent.exit_code == -15


def test_a_program_that_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(NoBoardError, match="cannot be started"):
        UserAgent("user:test", [str(tmp_path / "nothing")], None)


def test_no_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_agent.shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match=r"no qemu-aarch64 on this machine .*apt-get install qemu-user"):
        open_transport("user:cortex-a72", bundle=BUNDLE)
