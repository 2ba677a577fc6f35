"""From the 32-bit words of a command stream to typed commands.

The low half of a command's first word is its code (bits 9…0) and whether a second word follows (bit 14); the high
half is a 16-bit parameter. Codes below 0x100 without a second word start, await or end operations; all others set
a register.

References
----------
Arm Ethos-U55 NPU Technical Reference Manual, "Command stream"; the codes are those of Vela's `ethos_u55_regs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

import numpy as np

from compile.ethos_u.simulator.errors import SimulationError, UnmodelledError

HAS_PAYLOAD = 0x4000
RESERVED_BITS = 0xBC00
FIRST_REGISTER = 0x100
STOP_MASK = 0xFFFF

Code = TypeVar("Code", bound=IntEnum)


class Operation(IntEnum):
    """Commands that do something, by code."""

    STOP = 0x000
    IRQ = 0x001
    CONV = 0x002
    DEPTHWISE = 0x003
    POOL = 0x005
    ELEMENTWISE = 0x006
    DMA_START = 0x010
    DMA_WAIT = 0x011
    KERNEL_WAIT = 0x012
    PMU_MASK = 0x013


class Register(IntEnum):
    """Registers, by the low half of the word that sets them."""

    IFM_PAD_TOP = 0x100
    IFM_PAD_LEFT = 0x101
    IFM_PAD_RIGHT = 0x102
    IFM_PAD_BOTTOM = 0x103
    IFM_DEPTH_M1 = 0x104
    IFM_PRECISION = 0x105
    IFM_UPSCALE = 0x107
    IFM_ZERO_POINT = 0x109
    IFM_WIDTH0_M1 = 0x10A
    IFM_HEIGHT0_M1 = 0x10B
    IFM_HEIGHT1_M1 = 0x10C
    IFM_IB_END = 0x10D
    IFM_REGION = 0x10F
    OFM_WIDTH_M1 = 0x111
    OFM_HEIGHT_M1 = 0x112
    OFM_DEPTH_M1 = 0x113
    OFM_PRECISION = 0x114
    OFM_BLK_WIDTH_M1 = 0x115
    OFM_BLK_HEIGHT_M1 = 0x116
    OFM_BLK_DEPTH_M1 = 0x117
    OFM_ZERO_POINT = 0x118
    OFM_WIDTH0_M1 = 0x11A
    OFM_HEIGHT0_M1 = 0x11B
    OFM_HEIGHT1_M1 = 0x11C
    OFM_REGION = 0x11F
    KERNEL_WIDTH_M1 = 0x120
    KERNEL_HEIGHT_M1 = 0x121
    KERNEL_STRIDE = 0x122
    PARALLEL_MODE = 0x123
    ACC_FORMAT = 0x124
    ACTIVATION = 0x125
    ACTIVATION_MIN = 0x126
    ACTIVATION_MAX = 0x127
    WEIGHT_REGION = 0x128
    SCALE_REGION = 0x129
    AB_START = 0x12D
    BLOCKDEP = 0x12F
    DMA0_SRC_REGION = 0x130
    DMA0_DST_REGION = 0x131
    DMA0_SIZE0 = 0x132
    DMA0_SIZE1 = 0x133
    IFM2_BROADCAST = 0x180
    IFM2_SCALAR = 0x181
    IFM2_PRECISION = 0x185
    IFM2_ZERO_POINT = 0x189
    IFM2_WIDTH0_M1 = 0x18A
    IFM2_HEIGHT0_M1 = 0x18B
    IFM2_HEIGHT1_M1 = 0x18C
    IFM2_IB_START = 0x18D
    IFM2_REGION = 0x18F

    IFM_BASE0 = 0x4000
    IFM_BASE1 = 0x4001
    IFM_BASE2 = 0x4002
    IFM_BASE3 = 0x4003
    IFM_STRIDE_X = 0x4004
    IFM_STRIDE_Y = 0x4005
    IFM_STRIDE_C = 0x4006
    OFM_BASE0 = 0x4010
    OFM_BASE1 = 0x4011
    OFM_BASE2 = 0x4012
    OFM_BASE3 = 0x4013
    OFM_STRIDE_X = 0x4014
    OFM_STRIDE_Y = 0x4015
    OFM_STRIDE_C = 0x4016
    WEIGHT_BASE = 0x4020
    WEIGHT_LENGTH = 0x4021
    SCALE_BASE = 0x4022
    SCALE_LENGTH = 0x4023
    OFM_SCALE = 0x4024
    OPA_SCALE = 0x4025
    OPB_SCALE = 0x4026
    DMA0_SRC = 0x4030
    DMA0_DST = 0x4031
    DMA0_LEN = 0x4032
    DMA0_SKIP0 = 0x4033
    DMA0_SKIP1 = 0x4034
    IFM2_BASE0 = 0x4080
    IFM2_BASE1 = 0x4081
    IFM2_BASE2 = 0x4082
    IFM2_BASE3 = 0x4083
    IFM2_STRIDE_X = 0x4084
    IFM2_STRIDE_Y = 0x4085
    IFM2_STRIDE_C = 0x4086
    WEIGHT1_BASE = 0x4090
    WEIGHT1_LENGTH = 0x4091
    SCALE1_BASE = 0x4092
    SCALE1_LENGTH = 0x4093


@dataclass(frozen=True)
class SetRegister:
    """Sets a register; payload is 0 where the command has no second word."""

    register: Register
    parameter: int
    payload: int


@dataclass(frozen=True)
class Operate:
    """Starts or awaits an operation."""

    operation: Operation
    parameter: int


Command = SetRegister | Operate


def decode(stream: bytes) -> Iterator[Command]:
    """The commands of a stream of little-endian words, up to but without the one that stops.

    Raises SimulationError for a stream that does not end where it says, and UnmodelledError for unknown codes.
    """
    if len(stream) % 4:
        raise SimulationError(f"command stream of {len(stream)} bytes", expected="whole 32-bit words")
    words = iter([int(word) for word in np.frombuffer(stream, "<u4")])
    for word in words:
        code, parameter = word & 0xFFFF, word >> 16
        if code & RESERVED_BITS:
            raise UnmodelledError(f"command code {code:#06x}")
        if code & HAS_PAYLOAD or code >= FIRST_REGISTER:
            register = _known(Register, code)
            payload = next(words, None) if code & HAS_PAYLOAD else 0
            if payload is None:
                raise SimulationError(f"{register.name} is the last word of the command stream; its value is missing")
            yield SetRegister(register, parameter, payload)
            continue
        operation = _known(Operation, code)
        if operation is Operation.STOP:
            if parameter != STOP_MASK:
                raise UnmodelledError(f"{operation.name} with parameter {parameter:#06x}", expected=f"{STOP_MASK:#06x}")
            rest = sum(1 for _ in words)
            if rest:
                raise SimulationError(f"{rest} words after the command that stops")
            return
        yield Operate(operation, parameter)
    raise SimulationError("command stream without a command that stops")


def _known(kind: type[Code], code: int) -> Code:
    try:
        return kind(code)
    except ValueError:
        raise UnmodelledError(f"command code {code:#06x}") from None
