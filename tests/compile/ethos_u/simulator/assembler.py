"""Command streams by hand, for what Vela does not write."""

from __future__ import annotations

import struct

import numpy as np

from compile.ethos_u.simulator.accelerator import ACCELERATORS
from compile.ethos_u.simulator.command_stream import HAS_PAYLOAD, Operation, Register
from compile.ethos_u.simulator.machine import execute
from compile.ethos_u.simulator.memory import Memory, constants, scratch

Setting = int | tuple[int, int]
"""Of a register: its parameter, its second word, or both."""

R = Register
INPUT, OUTPUT = np.array([[3, -4], [5, 120]], "i1"), 16
"""Two by two pixels of one channel in region 0, and where the result goes in region 1."""

_FEATURE_MAP = {"HEIGHT0_M1": 1, "HEIGHT1_M1": 1, "WIDTH0_M1": 1, "ZERO_POINT": 0} | {f"BASE{n}": 0 for n in range(4)}
_STRIDES = {"STRIDE_Y": 2, "STRIDE_X": 1, "STRIDE_C": 1}

COMMON: dict[Register, Setting] = {
    **{R[f"{fm}_{name}"]: value for fm in ("IFM", "OFM", "IFM2") for name, value in (_FEATURE_MAP | _STRIDES).items()},
    R.IFM_REGION: 0,
    R.IFM2_REGION: 0,
    R.OFM_REGION: 1,
    R.OFM_BASE0: OUTPUT,
    R.IFM_DEPTH_M1: 0,
    R.OFM_HEIGHT_M1: 1,
    R.OFM_WIDTH_M1: 1,
    R.OFM_DEPTH_M1: 0,
    R.IFM_PRECISION: 1,
    R.IFM2_PRECISION: 1,
    R.IFM2_BROADCAST: 0,
    R.OFM_PRECISION: 1 | 1 << 8 | 2 << 14,
    R.IFM_UPSCALE: 0,
    R.IFM_PAD_TOP: 0,
    R.IFM_PAD_LEFT: 0,
    R.IFM_PAD_BOTTOM: 0,
    R.IFM_PAD_RIGHT: 0,
    R.KERNEL_HEIGHT_M1: 0,
    R.KERNEL_WIDTH_M1: 0,
    R.KERNEL_STRIDE: 0,
    R.ACC_FORMAT: 0,
    R.ACTIVATION: 0,
    R.ACTIVATION_MIN: 0xFF80,
    R.ACTIVATION_MAX: 0x7F,
    R.OFM_SCALE: (0, 1),
    R.OPA_SCALE: (0, 1),
    R.OPB_SCALE: 1,
    R.DMA0_SRC_REGION: 0,
    R.DMA0_DST_REGION: 1,
    R.DMA0_SRC: 0,
    R.DMA0_DST: OUTPUT,
    R.DMA0_LEN: 4,
}
"""Takes signed bytes as they are, with one scale of one."""


def sets(register: Register, setting: Setting) -> bytes:
    if not register & HAS_PAYLOAD:
        assert isinstance(setting, int)
        return struct.pack("<HH", register, setting)
    parameter, payload = setting if isinstance(setting, tuple) else (0, setting)
    return struct.pack("<HHI", register, parameter, payload)


def starts(operation: Operation, parameter: int = 0) -> bytes:
    return struct.pack("<HH", operation, parameter)


STOP = starts(Operation.STOP, 0xFFFF)


def run(*commands: bytes, settings: dict[Register, Setting] | None = None) -> Memory:
    """Executes the commands after `COMMON`, changed by `settings`."""
    setup = b"".join(sets(*pair) for pair in (COMMON | (settings or {})).items())
    memory = Memory({0: constants(INPUT.tobytes()), 1: scratch(32)})
    execute(ACCELERATORS["ethos-u55-128"], setup + b"".join(commands) + STOP, memory)
    return memory


def output(memory: Memory) -> list[int]:
    return np.frombuffer(memory.load(1, OUTPUT, 4), "i1").tolist()
