"""The faulty cables do what they say, and the benchmark tells wrong results from right ones."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import command, link_reliability
from benchmarks.faulty_cable import KINDS, Faults, PtyCable, _Way
from targets.transports.serial_port import SerialPort
from tests.targets.link.conftest import agent

__all__ = ["agent"]


def carried(data: bytes, faults: Faults, piece_bytes: int) -> tuple[bytes, Counter[str]]:
    counts: Counter[str] = Counter()
    way = _Way(faults, "up", counts)
    for start in range(0, len(data), piece_bytes):
        way.take(data[start : start + piece_bytes])
    return bytes(way.backlog), counts


def test_faults_are_as_frequent_as_told_and_of_all_kinds() -> None:
    _, counts = carried(bytes(1_000_000), Faults(1e-3, seed=4), 4096)
    assert sum(counts.values()) == pytest.approx(1000, rel=0.15)
    assert all(counts[kind] == pytest.approx(250, rel=0.3) for kind in KINDS)


def test_where_faults_fall_follows_from_the_seed_alone() -> None:
    data = os.urandom(100_000)
    first = carried(data, Faults(1e-3, seed=4), 4096)
    assert carried(data, Faults(1e-3, seed=4), 17) == first
    assert carried(data, Faults(1e-3, seed=5), 4096) != first


@pytest.mark.parametrize(("kind", "change"), [("drop", -1), ("insert", 1), ("flip", 0), ("delay", 0)])
def test_what_each_kind_does(kind: str, change: int) -> None:
    data = os.urandom(100_000)
    hurt, counts = carried(data, Faults(1e-3, seed=4, kinds=(kind,)), 4096)
    assert len(hurt) == len(data) + change * counts[kind]
    if kind == "flip":
        assert sum((before ^ after).bit_count() for before, after in zip(data, hurt, strict=True)) == counts[kind]
    if kind == "delay":
        assert hurt == data


def test_a_cut_terminal_is_replaced_by_another() -> None:
    with PtyCable(Faults(cuts=(10,))) as cable:
        board = os.open(cable.board_path, os.O_RDWR | os.O_NOCTTY)
        port = SerialPort(cable.host_url)
        port.write(b"12345")
        assert os.read(board, 100) == b"12345"
        port.write(b"123456")
        with pytest.raises(OSError):  # noqa: PT011 which one is pyserial's affair
            port.read(5)
        port.reopen()
        port.write(b"again")
        assert os.read(board, 100) == b"again"
        port.close()
        os.close(board)
        assert cable.counts == {"cut": 1}


def test_the_benchmark(agent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "outcomes.json"
    words = ["--jobs", "10", "--faults", "1e-3", "--cables", "pty", "-o", str(output)]
    assert command.execute(link_reliability.run, link_reliability.parser().parse_args(words)) == 0
    assert "| pty | 0.001 | 10 | 0 |" in capsys.readouterr().out
    (outcome,) = json.loads(output.read_text())
    assert (outcome["jobs"], outcome["wrong_results"]) == (10, 0)
    assert outcome["bytes_sent"] > outcome["goodput_bytes"] / 2


def test_a_wrong_result_is_counted(agent: Path) -> None:
    outcome = link_reliability.measure(agent, "tcp", Faults(seed=1), 3, lambda tile: tile)
    assert outcome.wrong_results == 3
