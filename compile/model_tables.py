"""The C tables that tell the engine of the networks in a bundle.

Networks of one shape share their tables as they share kernels; each specialist adds its weights only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compile.row_kernels.kernel import C_PARAMETERS, RowKernel
from compile.row_kernels.restore import RowRestore
from compile.row_kernels.stabilise import RowStabilise
from compile.row_program import Ring, RowProgram, Step, Timing, timing
from isp.errors import ConfigError

PREFIX = "fan_k_"
"""Of the C names of kernels."""
MOST_RINGS = 64
MOST_IMAGE_CHANNELS = 16
MOST_HALVINGS = 3
"""With which a mosaic of a multiple of 16 pixels still has whole ones at the coarsest scale."""
NONE = 255
WEIGHTS_ALIGNMENT = 32
"""Of each layer's weights, in values: at least 64 bytes."""


@dataclass(frozen=True)
class Specialist:
    """A network to be compiled. chosen_from: least shot noise that it serves. halo_px: of the mosaic."""

    name: str
    program: RowProgram
    chosen_from: float
    halo_px: int


def kernels_of(program: RowProgram) -> tuple[RowKernel, ...]:
    """Every kernel that a program needs, once each."""
    return tuple(
        dict.fromkeys(
            (
                RowStabilise(program.image.channels),
                *(step.kernel for step in program.steps),
                RowRestore(program.answer.channels),
            )
        )
    )


def symbol(kernel: RowKernel) -> str:
    """A kernel's C name."""
    return PREFIX + kernel.name


def weights_symbol(index: int) -> str:
    """C name of a specialist's weights."""
    return f"fan_weights_{index}"


def packed_weights(program: RowProgram, values: np.dtype) -> bytes:
    """All weights of a program as the kernels read them, little-endian."""
    parts = [_aligned(half) for step in program.steps for half in np.split(step.weights, step.parities)]
    return np.concatenate(parts).astype(values.newbyteorder("<")).tobytes()


def _aligned(values: np.ndarray) -> np.ndarray:
    return np.pad(values, (0, -values.size % WEIGHTS_ALIGNMENT))


def write_tables(specialists: Sequence[Specialist], value_bytes: int, scratch_bytes: int) -> str:
    """The text of fan_model.c. value_bytes: of one feature or weight."""
    kernels = dict.fromkeys(kernel for each in specialists for kernel in kernels_of(each.program))
    lines = ["/* Made by `python -m compile`. */", '#include "fan_model.h"', ""]
    lines += [f"FAN_PRIVATE extern int32_t {symbol(kernel)}({C_PARAMETERS});" for kernel in kernels]
    lines += [f"FAN_PRIVATE extern const uint8_t {weights_symbol(index)}[];" for index in range(len(specialists))]
    tables = [_network(each, value_bytes, scratch_bytes) for each in specialists]
    networks = {table: number for number, table in enumerate(dict.fromkeys(tables))}
    for table, number in networks.items():
        lines += ["", table.replace("@", str(number))]
    lines += ["", "const fan_specialist fan_specialists[] = {"]
    for index, (each, table) in enumerate(zip(specialists, tables, strict=True)):
        weights, chosen_from = weights_symbol(index), _float(each.chosen_from)
        lines.append(f'    {{"{each.name}", &network_{networks[table]}, {weights}, {chosen_from}}},')
    lines += ["};", f"const uint32_t fan_specialists_count = {len(specialists)}u;", ""]
    return "\n".join(lines)


def _float(value: float) -> str:
    return f"{float(np.float32(value))!r}f"


def _network(specialist: Specialist, value_bytes: int, scratch_bytes: int) -> str:
    """Tables of one network; @ stands for its number."""
    program = specialist.program
    if (
        len(program.rings) > MOST_RINGS
        or program.image.channels > MOST_IMAGE_CHANNELS
        or program.coarsest > MOST_HALVINGS
    ):
        raise ConfigError(
            f"{specialist.name}: {len(program.rings)} layers, an image of {program.image.channels} channels, "
            f"{program.coarsest} halvings",
            expected=f"at most {MOST_RINGS}, {MOST_IMAGE_CHANNELS} and {MOST_HALVINGS}",
        )
    if program.answer.scale != 0:
        raise ConfigError(f"{specialist.name}: an answer smaller than the mosaic", expected="one of its size")
    times = timing(program)
    number = {ring: index for index, ring in enumerate(program.rings)}
    stabilise, *_, restore = kernels_of(program)
    rings = ",\n".join(f"    {_ring(ring, times)}" for ring in program.rings)
    rows, offset = [], 0
    for step in program.steps:
        rows.append(f"    {_step(step, number, offset)}")
        offset += sum(_aligned(half).size for half in np.split(step.weights, step.parities))
    return "\n".join(
        [
            f"static const fan_ring rings_@[] = {{\n{rings}\n}};",
            "static const fan_step steps_@[] = {\n" + ",\n".join(rows) + "\n};",
            "static const fan_network network_@ = {",
            f"    rings_@, steps_@, {symbol(stabilise)}, {symbol(restore)}, {scratch_bytes}u, "
            f"{specialist.halo_px}u, {len(program.rings)}u, {len(program.steps)}u, {program.coarsest}u, "
            f"{number[program.answer]}u, {value_bytes}u",
            "};",
        ]
    )


def _ring(ring: Ring, times: Timing) -> str:
    return f"{{{ring.channels}u, {times.capacity[ring]}u, {times.lag[ring]}u, {ring.scale}u}}"


def _step(step: Step, number: dict[Ring, int], offset: int) -> str:
    odd = offset if step.parities == 1 else offset + _aligned(np.split(step.weights, 2)[0]).size
    side = NONE if step.side is None else number[step.side]
    rows, spread = step.rows, 2 if step.target.scale < step.source.scale else 1
    return (
        f"{{{symbol(step.kernel)}, {offset}u, {odd}u, {number[step.source]}u, {side}u, {number[step.target]}u, "
        f"{rows.multiply}u, {rows.shift}u, {rows.count}u, {rows.origin}, {spread}u}}"
    )
