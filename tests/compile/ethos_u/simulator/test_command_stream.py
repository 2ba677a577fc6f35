"""Words become typed commands, and whatever is not a command is refused."""

from __future__ import annotations

import struct

import pytest

from compile.ethos_u.simulator import SimulationError, UnmodelledError
from compile.ethos_u.simulator.command_stream import Operate, Operation, Register, SetRegister, decode

STOP = 0xFFFF_0000


def stream(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


def test_commands() -> None:
    found = list(decode(stream(0x0007_0104, 0x0001_4000, 0x8000_0010, 0x0001_0006, STOP)))
    assert found == [
        SetRegister(Register.IFM_DEPTH_M1, 7, 0),
        SetRegister(Register.IFM_BASE0, 1, 0x8000_0010),
        Operate(Operation.ELEMENTWISE, 1),
    ]


@pytest.mark.parametrize("word", [0x0000_0004, 0x0000_01FF, 0x0000_4007, 0x0000_8104, 0x0000_0504])
def test_unknown_code(word: int) -> None:
    with pytest.raises(UnmodelledError, match=f"{word & 0xFFFF:#06x}"):
        list(decode(stream(word, 0, STOP)))


def test_stop_in_another_form() -> None:
    with pytest.raises(UnmodelledError, match="STOP with parameter 0x0001"):
        list(decode(stream(0x0001_0000)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (stream(0x0007_0104), "without a command that stops"),
        (stream(STOP, STOP), "1 words after"),
        (stream(0x0000_4000), "IFM_BASE0 is the last word"),
        (stream(STOP)[:3], "3 bytes"),
    ],
)
def test_damaged_stream(content: bytes, message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        list(decode(content))


def test_codes_are_velas() -> None:
    registers = pytest.importorskip("ethosu.vela.ethos_u55_regs.ethos_u55_regs", reason="Vela is not installed")
    assert {f"NPU_OP_{x.name}": x.value for x in Operation} | {
        f"NPU_SET_{x.name}": x.value for x in Register if x.value < 0x4000
    } == {x.name: x.value for x in registers.cmd0}
    assert {f"NPU_SET_{x.name}": x.value - 0x4000 for x in Register if x.value >= 0x4000} == {
        x.name: x.value for x in registers.cmd1
    }
