"""The C tables that tell `fan_npu.c` of a bundle's networks, their command streams and weights among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compile.ethos_u.integer_graph import IntegerNetwork
from compile.ethos_u.integer_graph import Tensor as IntegerTensor
from compile.ethos_u.tile import HALO_PX, Tile
from compile.ethos_u.tosa import Layout
from compile.ethos_u.vela import Place
from targets.toolchain import ToolchainError

_BYTES_PER_LINE = 32


@dataclass(frozen=True)
class Entry:
    """One network of the tables. chosen_from: least shot noise that it serves."""

    name: str
    chosen_from: float
    network: IntegerNetwork
    tile: Tile


def write_tables(entries: Sequence[Entry], layout: Layout) -> str:
    """The text of fan_npu_model.c."""
    lines = ["/* Made by `python -m compile`. */", '#include "fan_npu_model.h"', ""]
    lines += [
        "#if defined(__GNUC__)",
        "#define FAN_NPU_ALIGNED __attribute__((aligned(16)))",
        "#else",
        "#define FAN_NPU_ALIGNED",
        "#endif",
    ]
    for number, entry in enumerate(entries):
        lines += ["", *_array(f"payload_{number}", entry.tile.compiled.payload)]
        lines += ["", *_array(f"weights_{number}", entry.tile.compiled.weights)]
    lines += ["", "const fan_npu_network fan_npu_networks[] = {"]
    lines += [_row(number, entry, layout) for number, entry in enumerate(entries)]
    lines += ["};", f"const uint32_t fan_npu_networks_count = {len(entries)}u;", ""]
    return "\n".join(lines)


def _array(name: str, content: bytes) -> list[str]:
    rows = [content[start : start + _BYTES_PER_LINE] for start in range(0, len(content), _BYTES_PER_LINE)]
    values = [f"    {', '.join(map(str, row))}," for row in rows]
    return [f"static const uint8_t {name}[] FAN_NPU_ALIGNED = {{", *values, "};"]


def _row(number: int, entry: Entry, layout: Layout) -> str:
    compiled, side_px = entry.tile.compiled, entry.tile.side_px
    for place in (compiled.input, compiled.output):
        if place.region != compiled.scratch_region:
            raise ToolchainError(f"Vela put a tensor into region {place.region}", expected="the scratch memory")
    return (
        f'    {{"{entry.name}", {_float(entry.chosen_from)}, payload_{number}, sizeof payload_{number}, '
        f"weights_{number}, sizeof weights_{number}, {compiled.scratch_bytes}u, {compiled.fast_bytes}u, "
        f"{compiled.weights_region}u, {compiled.scratch_region}u, {compiled.fast_region}u, "
        f"{entry.network.precision.activation.itemsize}u, {side_px}u, {HALO_PX}u,\n"
        f"     {_tensor(entry.network.image, compiled.input, side_px, layout)}, "
        f"{_tensor(entry.network.output, compiled.output, side_px, layout)}}},"
    )


def _tensor(tensor: IntegerTensor, place: Place, side_px: int, layout: Layout) -> str:
    pixels = (side_px // 2) ** 2
    strides = (tensor.channels, 1) if layout is Layout.NHWC else (1, pixels)
    return f"{{{place.offset}u, {tensor.channels}u, {strides[0]}u, {strides[1]}u, {_float(tensor.step)}}}"


def _float(value: float) -> str:
    return f"{float(np.float32(value))!r}f"
