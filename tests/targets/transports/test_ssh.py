"""Agents behind a true sshd on this machine, with keys and settings of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from targets import agent_build
from targets.errors import BoardError, NoBoardError, UnsupportedCoreError
from targets.link.client import Board
from targets.transports import ssh
from tests.targets.link.boards import check_job, wait_until

SSHD = Path("/usr/sbin/sshd")
pytestmark = pytest.mark.skipif(
    not SSHD.exists() or not shutil.which("ssh"), reason="no OpenSSH server and client on this machine"
)


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[bytes]
    folder: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("ssh")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd wants it when it is root
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "user.pub",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
    }
    (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    client = (
        f"Host board\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {folder / 'user'}\n  IdentitiesOnly yes\n"
    )
    client += "Host closed\n  HostName 127.0.0.1\n  Port 1\n"
    client += f"Host *\n  UserKnownHostsFile {folder / 'known'}\n  StrictHostKeyChecking accept-new\n"
    (folder / "config").write_text(client)
    process = subprocess.Popen(
        [SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=(folder / "log").open("wb"), start_new_session=True
    )
    wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
    yield Server(process, folder)
    process.terminate()
    process.wait()


@pytest.fixture(autouse=True)
def _client(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "CLIENT", ("ssh", "-F", str(server.folder / "config")))


def test_an_agent_that_is_there(agent: Path) -> None:
    with Board.open(f"ssh:board:{agent}") as board:
        check_job(board, 64)
        assert board.link.baud is None


def test_an_agent_that_is_built_and_copied(agent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_build, "build_agent", lambda _, output, __, **___: Path(shutil.copy2(agent, output)))
    with Board.open("ssh:board", bundle=Path("build/some")) as board:
        copied = Path(board._exchange.transport._path)
        assert copied.read_bytes() == agent.read_bytes()
        assert copied.stat().st_mode & 0o777 == 0o700
        check_job(board, 32)
    assert not copied.exists()


def test_a_copy_that_cannot_be_removed_is_told(
    agent: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(agent_build, "build_agent", lambda _, output, __, **___: Path(shutil.copy2(agent, output)))
    with Board.open("ssh:board", bundle=Path("build/some")) as board:
        copied = Path(board._exchange.transport._path)
        monkeypatch.setattr(ssh, "CLIENT", ("/nowhere/ssh",))
    assert f"{copied} stays at board" in caplog.text
    copied.unlink()


def test_a_connection_that_is_cut_is_made_again(agent: Path) -> None:
    with Board.open(f"ssh:board:{agent}") as board:
        check_job(board, 16)
        board._exchange.transport._agent.process.kill()
        check_job(board, 64)
        assert (board.link.reconnects, board.link.resets) == (1, 1)


def test_no_agent_there() -> None:
    with pytest.raises(NoBoardError, match=r"there is no agent /nowhere/fan-agent at board .*copy it there"):
        Board.open("ssh:board:/nowhere/fan-agent")


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    path = tmp_path / "agent"
    path.touch()
    with pytest.raises(BoardError, match="cannot be executed at board"):
        Board.open(f"ssh:board:{path}")


def test_an_agent_for_another_core(tmp_path: Path) -> None:
    path = tmp_path / "agent"
    path.write_text("#!/bin/sh\nkill -ILL $$\n")
    path.chmod(0o755)
    with pytest.raises(UnsupportedCoreError, match="the agent on ssh:board died of SIGILL"):
        Board.open(f"ssh:board:{path}")


def test_a_host_that_refuses(agent: Path) -> None:
    began = time.monotonic()
    with pytest.raises(NoBoardError, match=r"closed cannot be used over ssh \(.*refused") as caught:
        Board.open(f"ssh:closed:{agent}")
    assert caught.value.exit_code == 4
    assert time.monotonic() - began < 5


def test_a_host_that_does_not_know_the_key(agent: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    strange = ("ssh", "-F", str(server.folder / "config"), "-o", "IdentityFile=none", "-o", "IdentityAgent=none")
    monkeypatch.setattr(ssh, "CLIENT", strange)
    (server.folder / "user").rename(server.folder / "hidden")
    try:
        with pytest.raises(NoBoardError, match=r"board cannot be used over ssh \(.*denied.*ssh-copy-id"):
            Board.open(f"ssh:board:{agent}")
    finally:
        (server.folder / "hidden").rename(server.folder / "user")


def test_no_ssh(monkeypatch: pytest.MonkeyPatch, agent: Path) -> None:
    monkeypatch.setattr(ssh, "CLIENT", ("/nowhere/ssh",))
    with pytest.raises(NoBoardError, match=r"ssh cannot be started .*openssh-client"):
        Board.open(f"ssh:board:{agent}")


def test_a_path_with_a_space(agent: Path, tmp_path: Path) -> None:
    path = tmp_path / "my agent; touch oops"
    shutil.copy2(agent, path)
    with Board.open(f"ssh:board:{path}") as board:
        check_job(board, 16)
