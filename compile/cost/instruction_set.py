"""The instruction sets whose code is counted: where their instructions begin, and which of these are branches.

References
----------
Arm Architecture Reference Manual for A-profile, C4.1 "A64 instruction set encoding".
Armv8-M Architecture Reference Manual (DDI 0553), C2.2 "Instruction set encoding", T32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

A64_BYTES: Final = 4


@dataclass(frozen=True)
class InstructionSet:
    """instructions: cuts code, as it lies in memory, into its instructions; the last one may be cut off. is_branch:
    whether an instruction is a branch, a call or a return, or raises an exception. triple, features: what makes LLVM's
    tools know all of its instructions. separator: what the disassembler has to see between two instructions that do
    not follow each other, for the first may make as many as four others conditional; may be empty.
    """

    name: str
    instructions: Callable[[bytes], tuple[bytes, ...]]
    is_branch: Callable[[bytes], bool]
    triple: str
    features: str
    separator: tuple[bytes, ...]


def _a64_instructions(code: bytes) -> tuple[bytes, ...]:
    return tuple(code[start : start + A64_BYTES] for start in range(0, len(code), A64_BYTES))


def _a64_is_branch(instruction: bytes) -> bool:
    word = int.from_bytes(instruction, "little")
    # "Branches, exception generating and system instructions" but for the latter two's hints, barriers and registers.
    return (word >> 26) & 0b111 == 0b101 and word >> 22 != 0b1101010100


def _t32_instructions(code: bytes) -> tuple[bytes, ...]:
    found: list[bytes] = []
    start = 0
    while start < len(code):
        # Of the first halfword, the five highest bits: 11101, 11110 and 11111 begin a second one.
        size = 4 if _halfword(code, start) >> 11 >= 0b11101 else 2
        found.append(code[start : start + size])
        start += size
    return tuple(found)


def _t32_is_branch(instruction: bytes) -> bool:
    first = _halfword(instruction, 0)
    return _t32_long_is_branch(first, _halfword(instruction, 2)) if len(instruction) == 4 else _t32_short(first)


def _t32_short(word: int) -> bool:
    return (
        word >> 12 == 0xD  # b<c>, svc, udf
        or word >> 11 == 0b11100  # b
        or word >> 8 in (0x47, 0xBD, 0xBE)  # bx and blx, pop {.., pc}, bkpt
        or word & 0xF500 == 0xB100  # cbz, cbnz
        or word & 0xFD87 == 0x4487  # add and mov to pc
    )


def _t32_long_is_branch(first: int, second: int) -> bool:
    if first >> 11 == 0b11110 and second >> 15 == 1:
        if second & 0x1000:  # b, bl
            return True
        if second & 0x4000:  # Low-overhead loops: wls, le and their tail-predicated kin; dls and lctp go straight on.
            return not second & 0x2000
        return (first >> 6) & 0b1110 != 0b1110  # b<c>, but for special registers, hints and barriers
    return (
        (first & 0xFFF0 == 0xE8D0 and second & 0xFFE0 == 0xF000)  # tbb, tbh
        or (first & 0xFFD0 in (0xE890, 0xE910) and second >> 15 == 1)  # ldm with pc
        or (first & 0xFF70 == 0xF850 and second >> 12 == 0xF)  # ldr to pc
    )


def _halfword(code: bytes, start: int) -> int:
    return int.from_bytes(code[start : start + 2], "little")


A64: Final = InstructionSet(
    "A64", _a64_instructions, _a64_is_branch, "aarch64", "+v8.2a,+fullfp16,+dotprod,+crypto", separator=()
)
"""Of 64-bit Arm."""
T32: Final = InstructionSet(
    "T32",
    _t32_instructions,
    _t32_is_branch,
    "thumbv8.1m.main-none-eabihf",
    "+dsp,+mve.fp,+fp-armv8d16sp,+fp64,+fullfp16,+lob",
    separator=(bytes.fromhex("00bf"),) * 4,
)
"""Of Cortex-M cores, with Helium."""
