"""The command `agent`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from isp.errors import ConfigError
from targets import cli_agent


def agent(*arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    cli_agent.add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["agent", *map(str, arguments)])
    code: int = parsed.command(parsed)
    return code


def test_a_program(tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "fan-agent"
    assert agent("--target", "host", "--bundle", tiny_bundle, "-o", output) == 0
    assert capsys.readouterr().out == f"{output}\n"
    assert output.stat().st_mode & 0o111


def test_an_image(tiny_bundle_for: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, output = tiny_bundle_for("cortex-m7"), tmp_path / "agent.elf"
    assert agent("--target", "cortex-m7", "--bundle", bundle, "--machine", "mps2-an500", "-o", output) == 0
    assert output.read_bytes().startswith(b"\x7fELF")


def test_sources(tiny_bundle_for: Callable[[str], Path], tmp_path: Path) -> None:
    bundle = tiny_bundle_for("cortex-m7")
    assert agent("--target", "cortex-m7", "--bundle", bundle, "--sources", tmp_path / "agent") == 0
    assert (tmp_path / "agent" / "fan_port.c").exists()


def test_bundle_and_output_have_usual_places(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "host").symlink_to(tiny_bundle)
    monkeypatch.chdir(tmp_path)
    assert agent("--target", "host") == 0
    assert (tmp_path / capsys.readouterr().out.strip()).samefile(tmp_path / "fan-agent")


def test_the_bundle_must_be_for_the_target(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a bundle for host; expected one for arm64"):
        agent("--target", "arm64", "--bundle", tiny_bundle, "-o", tmp_path / "fan-agent")


def test_machines_are_known_by_name(tiny_bundle: Path) -> None:
    with pytest.raises(ConfigError, match="no machine is named 'mps3'"):
        agent("--target", "host", "--bundle", tiny_bundle, "--machine", "mps3")


def test_a_folder_is_no_place_for_a_program(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r": a folder; expected the name of a file$"):
        agent("--target", "host", "--bundle", tiny_bundle, "-o", tmp_path)
