"""Costs beside those of peers: the tables, the peer's model files, and what is said of wrong options."""

from __future__ import annotations

import shutil
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from compile.cost.block_counts import BlockCount
from compile.cost.symbols import Function, FunctionTable
from compile.network_graph import Add, Clip, Convolution, DepthToSpace, Image, Multiply, Node, Relu
from isp.errors import ConfigError, InputError
from targets.toolchain import ToolchainError

pytest.importorskip("tvm")

from benchmarks import arm_cost, arm_peers, arm_python, ncnn_model
from benchmarks.arm_cost import Measured

FMLA, NOP = (0x4E3FCFC0).to_bytes(4, "little"), bytes.fromhex("1f2003d5")
MAPS = """\
5500000000-5500010000 r-xp 00000000 fe:00 11   /usr/bin/python3.11
5505a40000-5505abb000 r--p 00000000 fe:00 12   /p/ncnn/ncnn.cpython-311-aarch64-linux-gnu.so
5505ac0000-55062a4000 r-xp 00080000 fe:00 12   /p/ncnn/ncnn.cpython-311-aarch64-linux-gnu.so
5508000000-5508010000 r-xp 00000000 00:00 0
"""


def convolution(source: Node, outputs: int, side: int, *, groups: int = 1) -> Convolution:
    inputs = source.shape[0] // groups
    weight = np.arange(outputs * inputs * side**2, dtype=np.float32).reshape(outputs, inputs, side, side)
    bias = np.full(outputs, outputs, np.float32)
    return Convolution((outputs, *source.shape[1:]), source, weight, bias, 1, side // 2, groups)


def written(answer: Node, folder: Path) -> tuple[list[list[str]], bytes]:
    ncnn_model.write(answer, 8, 8, folder)
    lines = [line.split() for line in (folder / ncnn_model.PARAM).read_text().splitlines()]
    assert lines[0] == ["7767517"]
    assert int(lines[1][0]) == len(lines) - 2
    blobs = [name for line in lines[2:] for name in line[4 + int(line[2]) : 4 + int(line[2]) + int(line[3])]]
    assert len(set(blobs)) == len(blobs) == int(lines[1][1])
    read = [name for line in lines[2:] for name in line[4 : 4 + int(line[2])]]
    assert len(set(read)) == len(read), "a blob has one reader in ncnn"
    assert set(blobs) - set(read) == {ncnn_model.OUTPUT}
    return lines[2:], (folder / ncnn_model.BINARY).read_bytes()


def test_every_operation_becomes_a_layer(tmp_path: Path) -> None:
    image = Image((4, 8, 8))
    first = convolution(image, 4, 3, groups=4)
    product = Multiply((4, 8, 8), first, Clip((4, 8, 8), convolution(first, 4, 1), 0.0, 2.0))
    answer = DepthToSpace((1, 16, 16), Add((4, 8, 8), product, Relu((4, 8, 8), product)))
    layers, weights = written(answer, tmp_path)
    kinds = [line[0] for line in layers if line[0] != "Split"]
    assert kinds == ["Input", "ConvolutionDepthWise", "Convolution", "BinaryOp", "ReLU", "BinaryOp", "PixelShuffle"]
    by_kind = {line[0]: line for line in layers}
    assert "9=3 -23310=2,0.0,2.0" in " ".join(by_kind["Convolution"])
    assert {"0=4", "1=3", "11=3", "3=1", "4=1", "5=1", "6=36", "7=4"} <= set(by_kind["ConvolutionDepthWise"])
    assert [line[-1] for line in layers if line[0] == "BinaryOp"] == ["0=2", "0=0"]
    assert by_kind["PixelShuffle"][-2:] == ["0=2", "1=0"]
    values = struct.unpack("<I40fI20f", weights)
    assert values[:4] == (0, 0.0, 1.0, 2.0)
    assert values[37:42] == (4.0, 4.0, 4.0, 4.0, 0)


def test_an_activation_joins_a_convolution_that_nothing_else_reads(tmp_path: Path) -> None:
    image = Image((4, 8, 8))
    alone, shared = convolution(image, 4, 1), convolution(image, 4, 1)
    answer = Add((4, 8, 8), Relu((4, 8, 8), alone), Multiply((4, 8, 8), shared, Relu((4, 8, 8), shared)))
    layers, _ = written(answer, tmp_path)
    assert sorted(line[0] for line in layers if line[0] != "Split") == [
        *("BinaryOp", "BinaryOp", "Convolution", "Convolution", "Input", "ReLU")
    ]
    assert ["9=1" in line for line in layers if line[0] == "Convolution"].count(True) == 1


def test_only_the_library_counts_wherever_it_lies() -> None:
    inside = 0x5505AC0000
    blocks = [BlockCount(address, NOP, 3) for address in (0x5500000100, inside, inside + 0x40, 0x5508000000)]
    assert arm_peers.relative_to_library(blocks, MAPS, "/ncnn.cpython") == [
        BlockCount(0x80000, NOP, 3),
        BlockCount(0x80040, NOP, 3),
    ]
    with pytest.raises(ToolchainError, match="no library '/other' was loaded"):
        arm_peers.relative_to_library(blocks, MAPS, "/other")


def test_tables_give_figures_per_product(tmp_path: Path) -> None:
    if shutil.which("llvm-mca-19") is None:
        pytest.skip("llvm-mca-19 is not on the PATH")
    totals = [(int.from_bytes(FMLA, "little") + total).to_bytes(4, "little") for total in range(16)]
    functions = FunctionTable((Function(0, 64, "fan_k_fast"), Function(64, 128, "fan_k_slow")))
    blocks = (BlockCount(0, b"".join(totals), 1000), BlockCount(64, FMLA * 16, 1000))
    measured = Measured("compiled for this", "float32", 4, blocks, functions, 1e-7)
    macs = 32 * 4 * 1000.0
    head, _, row = arm_cost.whole_table([measured], macs, tmp_path)
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert cells[:3] == ["compiled for this", "float32", "0.2500"]
    assert len(cells) == head.count("|") - 1
    _, _, row = arm_cost.mix_table([measured], macs)
    assert [float(cell) for cell in row.split("|")[2:-1]] == [0.25, 0, 0, 0, 0, 0, 0]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in arm_cost.kernel_table(measured, tmp_path)]
    assert [line[0] for line in lines[2:]] == ["slow", "fast"]
    on_a72 = {line[0]: (line[4], float(line[5])) for line in lines[2:]}
    assert on_a72["fast"][1] == pytest.approx(0.25, rel=0.03)
    shares = [float(share.rstrip("%")) for share, _ in on_a72.values()]
    assert sum(shares) == pytest.approx(100, abs=0.2)


def test_wrong_options_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["arm_cost", *arguments])
        return arm_cost.main(), capsys.readouterr().err

    assert said() == (ConfigError.exit_code, "error: nothing to measure; name a bundle with --bundle\n")
    code, message = said("--bundle", str(tmp_path), "--size", "100")
    assert code == ConfigError.exit_code
    assert message == "error: --size 100; expected a multiple of 16\n"
    code, message = said("--bundle", str(tmp_path))
    assert code == InputError.exit_code
    assert "manifest.json" in message


def test_peers_that_are_not_prepared_say_how_to(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no peers; prepare them with: python -m benchmarks\.arm_cost --prepare"):
        arm_python.find(tmp_path)
