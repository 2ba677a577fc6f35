"""Vela: what it makes, what it refuses, and what is said where it fails."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tosa_serializer", reason="tosa-tools are not installed: pip install 'fan-isp[npu]'")
pytest.importorskip("ethosu.vela", reason="ethos-u-vela is not installed: pip install 'fan-isp[npu]'")

import tosa_serializer as ts

from compile.ethos_u import tosa, vela
from compile.ethos_u.integer_graph import Image, IntegerNetwork, Precision
from compile.ethos_u.tosa import Layout
from compile.network_graph import UnsupportedOperator
from targets.descriptions import Npu, load
from targets.toolchain import ToolchainError
from tests.compile.ethos_u.test_tosa import convolution

SIDE = 48


def npu_of(name: str) -> Npu:
    found = load(name).npu
    assert found is not None
    return found


@pytest.fixture(scope="module")
def graph() -> bytes:
    image = Image(5, 1.0)
    network = IntegerNetwork(Precision.A16W8, image, convolution(image, 8, Precision.A16W8, kernel=3))
    return tosa.write(network, SIDE, SIDE, Layout.NHWC)


@pytest.fixture(scope="module")
def made(graph: bytes) -> vela.Compiled:
    return vela.compiled(graph, npu_of("ethos-u55-64"))


def test_what_it_makes(made: vela.Compiled) -> None:
    assert made.payload.startswith(b"COP1")
    assert len(made.payload) % 4 == 0
    assert 8 * 5 * 9 <= len(made.weights) < 2000
    assert made.input.shape == (1, SIDE, SIDE, 5)
    assert made.output.shape == (1, SIDE, SIDE, 8)
    assert made.input.region == made.output.region == made.scratch_region != made.weights_region
    for place in (made.input, made.output):
        assert place.offset + 2 * np.prod(place.shape) <= made.scratch_bytes
    assert made.fast_bytes == 0


def test_its_estimates(made: vela.Compiled) -> None:
    estimates = made.estimates
    assert estimates.macs == SIDE**2 * 8 * 5 * 9
    assert estimates.macs / 64 < estimates.cycles < estimates.macs
    assert estimates.clock_hz == 500e6
    assert (estimates.operators, estimates.npu_operators) == (1, 1)
    assert estimates.sram_bytes == pytest.approx(made.scratch_bytes, abs=16)
    assert estimates.dram_bytes == 0
    assert estimates.flash_bytes == pytest.approx(len(made.weights), abs=16)


def test_constants_in_dram_are_no_flash(graph: bytes) -> None:
    estimates = vela.compiled(graph, npu_of("ethos-u65-256")).estimates
    assert estimates.flash_bytes == 0
    assert estimates.dram_bytes > 8 * 5 * 9
    assert estimates.clock_hz == 1e9


def test_an_operator_that_it_refuses_is_named() -> None:
    graph = ts.TosaSerializer("", ts.ConstMode.EMBED, 1, 0, 0, False)
    given = graph.addPlaceholder([1, 8, 8, 4], ts.DType.FP32)
    result = graph.addIntermediate([1, 8, 8, 4], ts.DType.FP32)
    attribute = ts.TosaSerializerAttribute()
    attribute.TanhAttribute()
    graph.addOperator(ts.Op.TANH, [given.name], [result.name], attribute)
    graph.addOutputTensor(result)
    with pytest.raises(UnsupportedOperator) as error:
        vela.compiled(graph.serialize(), npu_of("ethos-u55-64"))
    message = str(error.value)
    assert message.startswith("ethos-u55-64: Validation error: Tanh: - Unsupported operation")
    assert "\n" not in message
    assert error.value.exit_code == 2


def test_what_is_no_graph() -> None:
    with pytest.raises(ToolchainError, match=r"^Vela ended with 1: .*No networks defined"):
        vela.compiled(b"nothing", npu_of("ethos-u55-64"))


def test_of_a_traceback_the_error_alone_is_told(graph: bytes, stand_in: Callable[[str], str]) -> None:
    trace = (
        'Traceback (most recent call last):\\n  File "vela.py", line 1, in main\\n    ^^^^\\nIndexError: Strides exceed'
    )
    python = stand_in(f"printf '{trace}\\n' >&2; exit 1")
    with pytest.raises(ToolchainError, match=r"^Vela ended with 1: IndexError: Strides exceed$"):
        vela.compiled(graph, npu_of("ethos-u55-64"), python=python)


def test_a_system_that_vela_does_not_know(graph: bytes) -> None:
    unknown = replace(npu_of("ethos-u55-64"), system_configuration="Ethos_U55_Imagined")
    with pytest.raises(ToolchainError, match="Ethos_U55_Imagined"):
        vela.compiled(graph, unknown)


@pytest.fixture
def stand_in(tmp_path: Path) -> Callable[[str], str]:
    """A shell script for an interpreter with Vela; $FOLDER is where it must leave its results."""

    def put(script: str) -> str:
        program = tmp_path / "python"
        program.write_text(f'#!/bin/sh\nFOLDER="$5"\n{script}\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return str(program)

    return put


def results(made: vela.Compiled, folder: Path) -> str:
    """A script that leaves what Vela left."""
    (folder / "made.npz").write_bytes(made.raw)
    names = "cycles_total,core_clock,nn_macs,sram_memory_used,dram_memory_used"
    row = "12.0,5e8,3.0,1.5,0.25"
    (folder / "made.csv").write_text(
        f"{names},on_chip_flash_memory_used,off_chip_flash_memory_used\n{row},0.5,2.0\n"
    )  # fmt: skip
    return f'cp {folder}/made.npz "$FOLDER/network.npz"; cp {folder}/made.csv "$FOLDER/network_summary_x.csv"'


def test_numbers_of_its_table_are_kibibytes(
    made: vela.Compiled, tmp_path: Path, stand_in: Callable[[str], str]
) -> None:
    python = stand_in(f"{results(made, tmp_path)}\necho 'CPU operators = 0 (0%)'\necho 'NPU operators = 7 (100%)'")
    found = vela.compiled(b"", npu_of("ethos-u55-64"), python=python)
    assert found.estimates == vela.Estimates(12, 5e8, 3, 1536, 256, 2560, 7, 7)
    assert replace(found, estimates=made.estimates) == made


def test_an_operator_left_to_the_cpu_is_refused(
    made: vela.Compiled, tmp_path: Path, stand_in: Callable[[str], str]
) -> None:
    python = stand_in(f"{results(made, tmp_path)}\necho 'CPU operators = 2 (20%)'\necho 'NPU operators = 8 (80%)'")
    with pytest.raises(UnsupportedOperator, match="Vela leaves 2 operators to the CPU"):
        vela.compiled(b"", npu_of("ethos-u55-64"), python=python)


def test_a_vela_that_does_not_count_operators(
    made: vela.Compiled, tmp_path: Path, stand_in: Callable[[str], str]
) -> None:
    python = stand_in(results(made, tmp_path))
    with pytest.raises(ToolchainError, match="does not say how many operators the NPU computes"):
        vela.compiled(b"", npu_of("ethos-u55-64"), python=python)


def test_a_vela_that_is_gone(stand_in: Callable[[str], str]) -> None:
    python = stand_in("echo 'python: No module named ethosu.vela' >&2; exit 1")
    with pytest.raises(ToolchainError, match=r"^Vela ended with 1: python: No module named ethosu.vela"):
        vela.compiled(b"", npu_of("ethos-u55-64"), python=python)


def test_a_vela_that_comes_to_no_end(stand_in: Callable[[str], str]) -> None:
    python = stand_in("exec sleep 60")
    with pytest.raises(ToolchainError, match=r"Vela: no result after 0.2 s"):
        vela.compiled(b"", npu_of("ethos-u55-64"), python=python, timeout_s=0.2)
