"""Feature maps, elements and scales as registers hold them.

Bit fields are those that `vela --verbose-register-command-stream` prints.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeVar

from compile.ethos_u.simulator.command_stream import Register
from compile.ethos_u.simulator.errors import SimulationError, UnmodelledError
from compile.ethos_u.simulator.operations import FeatureMap, Layout, Scale
from compile.ethos_u.simulator.register_file import RegisterFile, signed

ELEMENT_TYPES = {(0, 0): "<u1", (0, 1): "<i1", (1, 0): "<u2", (1, 1): "<i2", (2, 1): "<i4"}
"""NumPy's names by the fields precision and sign."""
ELEMENT_BITS = 16
"""Of the registers that hold elements: zero points, scalars and clamps."""
MAXIMUM_SHIFT = 63

Choice = TypeVar("Choice", bound=IntEnum)


def ifm_precision(registers: RegisterFile) -> dict[str, int]:
    return registers.fields(
        Register.IFM_PRECISION, sign=1, _1=1, precision=2, _2=2, layout=2, scaling=2, _3=4, rounding=2
    )


def ofm_precision(registers: RegisterFile) -> dict[str, int]:
    return registers.fields(Register.OFM_PRECISION, sign=1, precision=2, _1=3, layout=2, one_scale=1, _2=5, rounding=2)


def ifm2_precision(registers: RegisterFile) -> dict[str, int]:
    return registers.fields(Register.IFM2_PRECISION, sign=1, _1=1, precision=2, _2=2, layout=2)


def feature_map_at(registers: RegisterFile, prefix: str, precision: dict[str, int]) -> FeatureMap:
    dtype = element_type(Register[f"{prefix}_PRECISION"], precision)
    return FeatureMap(
        region=region_in(registers, Register[f"{prefix}_REGION"]),
        bases=(
            registers.address(Register[f"{prefix}_BASE0"]),
            registers.address(Register[f"{prefix}_BASE1"]),
            registers.address(Register[f"{prefix}_BASE2"]),
            registers.address(Register[f"{prefix}_BASE3"]),
        ),
        tile_height_0=registers.plus_one(Register[f"{prefix}_HEIGHT0_M1"]),
        tile_height_1=registers.plus_one(Register[f"{prefix}_HEIGHT1_M1"]),
        tile_width_0=registers.plus_one(Register[f"{prefix}_WIDTH0_M1"]),
        stride_y=registers.stride(Register[f"{prefix}_STRIDE_Y"]),
        stride_x=registers.stride(Register[f"{prefix}_STRIDE_X"]),
        stride_c=registers.stride(Register[f"{prefix}_STRIDE_C"]),
        layout=chosen(Layout, Register[f"{prefix}_PRECISION"], precision["layout"]),
        dtype=dtype,
        zero_point=element_in(registers, Register[f"{prefix}_ZERO_POINT"], dtype),
    )


def element_type(register: Register, precision: dict[str, int]) -> str:
    key = (precision["precision"], precision["sign"])
    if key not in ELEMENT_TYPES:
        raise UnmodelledError(f"{register.name}: precision {key[0]}, sign {key[1]}")
    return ELEMENT_TYPES[key]


def element_in(registers: RegisterFile, register: Register, dtype: str) -> int:
    """A register that holds an element of that type. Raises SimulationError where the type has no such value."""
    is_signed = dtype[1] == "i"
    bits = min(8 * int(dtype[2]), ELEMENT_BITS)
    raw = registers.parameter(register)
    value = signed(raw, ELEMENT_BITS) if is_signed else raw
    lowest = -(1 << bits - 1) if is_signed else 0
    if not lowest <= value < lowest + (1 << bits):
        raise SimulationError(f"{register.name} = {value}", expected=f"an element of {bits} bits")
    return value


def region_in(registers: RegisterFile, register: Register) -> int:
    return registers.fields(register, number=3)["number"]


def scale_in(registers: RegisterFile, register: Register) -> Scale:
    shift = registers.parameter(register)
    if shift > MAXIMUM_SHIFT:
        raise UnmodelledError(f"{register.name}: shift by {shift}", expected=f"at most {MAXIMUM_SHIFT}")
    return Scale(registers.payload(register), shift)


def chosen(kind: type[Choice], register: Register, value: int) -> Choice:
    try:
        return kind(value)
    except ValueError:
        raise UnmodelledError(f"{register.name}: {kind.__name__} {value}") from None
