"""Compiled networks with one bit changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from compile.ethos_u.compiled_network import CompiledNetwork
from compile.ethos_u.simulator.command_stream import FIRST_REGISTER, HAS_PAYLOAD, Operation, Register
from compile.ethos_u.simulator.weights import RECORD_BYTES

WITHOUT_INFLUENCE = frozenset(
    {
        Register.OFM_BLK_WIDTH_M1,
        Register.OFM_BLK_HEIGHT_M1,
        Register.IFM_IB_END,
        Register.IFM2_IB_START,
        Register.AB_START,
        Register.BLOCKDEP,
    }
)
"""How work and the accelerator's own memory are divided is nothing that the simulator looks at."""
ADDRESSES = frozenset(register for register in Register if "BASE" in register.name or "DMA0_" in register.name)
PAYLOAD_BITS = 20
"""Of addresses, lengths and strides: the networks here have no memory beyond."""


@dataclass(frozen=True)
class Mutation:
    what: str
    """The register, or what bytes."""
    bit: int
    compiled: CompiledNetwork


def registers(compiled: CompiledNetwork, random: np.random.Generator, count: int) -> Iterator[Mutation]:
    """A bit of what a register is set to, addresses left out."""
    yield from _words(compiled, random, count, frozenset(Register) - WITHOUT_INFLUENCE - ADDRESSES)


def addresses(compiled: CompiledNetwork, random: np.random.Generator, count: int) -> Iterator[Mutation]:
    yield from _words(compiled, random, count, ADDRESSES)


def operations(compiled: CompiledNetwork, random: np.random.Generator, count: int) -> Iterator[Mutation]:
    """A bit of the code or parameter of a command that starts or awaits something."""
    words = np.frombuffer(compiled.command_stream, "<u4")
    starts = [at for at in _commands(words) if not isinstance(_register(int(words[at])), Register)]
    for _ in range(count):
        at, bit = int(random.choice(starts)), int(random.integers(32))
        name = Operation(int(words[at]) & 0x3FF).name
        yield Mutation(name, bit, _with_bit(compiled, 32 * at + bit))


def weights(compiled: CompiledNetwork, random: np.random.Generator, count: int) -> Iterator[Mutation]:
    yield from _constants(compiled, random, count, "WEIGHT")


def scales(compiled: CompiledNetwork, random: np.random.Generator, count: int) -> Iterator[Mutation]:
    yield from _constants(compiled, random, count, "SCALE")


def _words(
    compiled: CompiledNetwork, random: np.random.Generator, count: int, wanted: frozenset[Register]
) -> Iterator[Mutation]:
    words = np.frombuffer(compiled.command_stream, "<u4")
    found = [at for at in _commands(words) if _register(int(words[at])) in wanted]
    for _ in range(count):
        at = int(random.choice(found))
        register = Register(int(words[at]) & 0xFFFF)
        if register & HAS_PAYLOAD:
            bits = 32 if register.name.endswith("_SCALE") else PAYLOAD_BITS
            bit = int(random.integers(bits))
            yield Mutation(register.name, bit, _with_bit(compiled, 32 * (at + 1) + bit))
        else:
            bit = int(random.integers(16))
            yield Mutation(register.name, bit, _with_bit(compiled, 32 * at + 16 + bit))


def _commands(words: np.ndarray) -> Iterator[int]:
    at = 0
    while at < len(words):
        yield at
        at += 2 if words[at] & HAS_PAYLOAD else 1


def _register(word: int) -> Register | None:
    code = word & 0xFFFF
    return Register(code) if code & HAS_PAYLOAD or code >= FIRST_REGISTER else None


def _with_bit(compiled: CompiledNetwork, bit: int) -> CompiledNetwork:
    return replace(compiled, command_stream=_flipped(compiled.command_stream, bit))


def _flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _constants(compiled: CompiledNetwork, random: np.random.Generator, count: int, prefix: str) -> Iterator[Mutation]:
    """Bits of the constants that operations read as weights or scales where they lie, or that DMA fetches for them."""
    spans = _spans(compiled, prefix)
    lengths = np.array([length for _address, length in spans])
    for _ in range(count):
        address, length = spans[int(random.choice(len(spans), p=lengths / lengths.sum()))]
        byte, bit = address + int(random.integers(length)), int(random.integers(8))
        changed = replace(compiled, weights=_flipped(compiled.weights, 8 * byte + bit))
        yield Mutation(f"{prefix} byte {byte - address} of {length}", bit, changed)


def _spans(compiled: CompiledNetwork, prefix: str) -> list[tuple[int, int]]:
    """(address, length) in the constants, found by following DMA transfers back."""
    words = np.frombuffer(compiled.command_stream, "<u4")
    values: dict[Register, int] = {}
    copies: list[tuple[int, int, int, int, int]] = []  # region, address, length; region and address of the source
    found: set[tuple[int, int]] = set()
    for at in _commands(words):
        word = int(words[at])
        register = _register(word)
        if register is not None:
            values[register] = int(words[at + 1]) if register & HAS_PAYLOAD else word >> 16
        elif word & 0x3FF == Operation.DMA_START:
            copies.append(
                (
                    values[Register.DMA0_DST_REGION],
                    values[Register.DMA0_DST],
                    values[Register.DMA0_LEN],
                    values[Register.DMA0_SRC_REGION],
                    values[Register.DMA0_SRC],
                )
            )
        elif word & 0x3FF in (Operation.CONV, Operation.DEPTHWISE):
            cores = 1 + values.get(Register.PARALLEL_MODE, 0)
            for core, suffix in enumerate(("", "1")[:cores]):
                length = values[Register[f"{prefix}{suffix}_LENGTH"]]
                if prefix == "SCALE":  # what follows the records up to a multiple of 16 bytes is nothing
                    length = RECORD_BYTES * len(range(core, 1 + values[Register.OFM_DEPTH_M1], cores))
                if length:
                    region = values[Register[f"{prefix}_REGION"]]
                    found.add((_source(compiled, copies, region, values[Register[f"{prefix}{suffix}_BASE"]]), length))
    return sorted(found)


def _source(compiled: CompiledNetwork, copies: list[tuple[int, int, int, int, int]], region: int, address: int) -> int:
    if region == compiled.weights_region:
        return address
    for to_region, to, length, _from_region, start in reversed(copies):
        if to_region == region and to <= address < to + length:
            return start + address - to
    raise AssertionError(f"nothing was copied to {address:#x} in region {region}")
