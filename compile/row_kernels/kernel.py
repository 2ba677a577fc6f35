"""What all row kernels have in common: their arguments, their tiling, and how weights are laid out for them.

Every kernel is a C function of one signature:

    int32_t kernel(const void *rows, int32_t row0, int32_t row1, int32_t row2, const void *side,
                   const void *weights, int32_t chunks, void *out, void *scratch)

rowN: where an input row's first column lies, in values from `rows`; a border column precedes it. side: the
row of a second operand. chunks: groups of COLUMNS columns to make. Kernels that need less
ignore the rest. Values are of one precision, float32 or float16, except the mosaic's, which are float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from tvm import s_tir, te, tirx
from tvm.tirx import PrimFunc

C_PARAMETERS = "const void *, int32_t, int32_t, int32_t, const void *, const void *, int32_t, void *, void *"
COLUMNS = 8
"""Of a chunk. Rows are padded to whole chunks."""
FEW = 8
"""So many channels, or fewer, are not padded to more than these, however wide the vectors are."""


@dataclass(frozen=True)
class Vectors:
    """What a target's vectors hold. values: their type, float32 or float16. lanes: how many, a power of two."""

    values: str
    lanes: int


@dataclass(frozen=True)
class Tiling:
    """How a kernel is cut for a core; none of it changes the result but for rounding.

    columns: pixels of a row worked on at once, a divisor of COLUMNS. blocks: vectors of output channels
    at once, at most; the largest divisor of a kernel's is taken. unrolled: steps of a sum that are written
    out, at most, likewise.
    """

    columns: int
    blocks: int
    unrolled: int


class RowKernel(Protocol):
    """A template with its shape filled in; equal ones are shared by all layers and networks."""

    @property
    def name(self) -> str:
        """A part of a C identifier that tells it from every other kernel."""

    def computation(self, vectors: Vectors) -> PrimFunc:
        """What it computes, not yet scheduled."""

    def tile(self, schedule: s_tir.Schedule, vectors: Vectors, tiling: Tiling, /) -> None:
        """Schedules its computation."""


def scheduled(kernel: RowKernel, vectors: Vectors, tiling: Tiling) -> PrimFunc:
    """A kernel's function, ready to be compiled."""
    schedule = s_tir.Schedule(kernel.computation(vectors))
    kernel.tile(schedule, vectors, tiling)
    return schedule.mod["main"]


@dataclass(frozen=True)
class Operands:
    """Symbolic arguments of a kernel."""

    rows: te.Tensor
    row: tuple[tirx.Var, tirx.Var, tirx.Var]
    side: te.Tensor
    weights: te.Tensor
    chunks: tirx.Var

    def row_at(self, index: tirx.Expr) -> tirx.Expr:
        """Offset of the input row of that number, 0 to 2."""
        return tirx.Select(index == 0, self.row[0], tirx.Select(index == 1, self.row[1], self.row[2]))

    def function(self, output: te.Tensor) -> PrimFunc:
        """The function that makes `output`, not yet scheduled."""
        arguments = [self.rows, *self.row, self.side, self.weights, self.chunks, output]
        return te.create_prim_func(arguments).with_attr("tirx.noalias", True)


def operands(weights: int, values: str, *, mosaic: str | None = None, constants: str | None = None) -> Operands:
    """Fresh arguments of a kernel with as many learned values. mosaic, constants: types of `rows` and `weights`
    where they are not `values`."""
    return Operands(
        te.placeholder((te.var("rows_size", "int32"),), mosaic or values, name="rows"),
        (te.var("row0", "int32"), te.var("row1", "int32"), te.var("row2", "int32")),
        te.placeholder((te.var("side_size", "int32"),), values, name="side"),
        te.placeholder((max(weights, 1),), constants or values, name="weights"),
        te.var("chunks", "int32"),
    )


def in_a_name(value: float) -> str:
    """A number as a part of a C identifier, different for different numbers."""
    short = f"{value:g}"
    return (short if float(short) == value else repr(value)).replace("-", "m").replace(".", "p").replace("+", "")


def padded(channels: int, lanes: int) -> int:
    """Channels with those that are added to them so that a target whose vectors have that many lanes has vectors for
    them."""
    unit = min(lanes, FEW) if channels <= FEW else lanes
    return -(-channels // unit) * unit


def filled(channels: int, lanes: int) -> int:
    """Lanes of the widest vectors that so many channels fill: `lanes`, or a half of them, and so on."""
    return math.gcd(channels, lanes)


def largest_divisor(value: int, most: int) -> int:
    """The largest divisor of a number that is at most `most`."""
    return next(d for d in range(min(most, value), 0, -1) if value % d == 0)


def matrix(weight: np.ndarray, outputs: int, inputs: int, lanes: int) -> np.ndarray:
    """A weight [O, I] for vectors of as many lanes as the outputs fill, [outputs / lanes][inputs][lanes], zeros where
    there are fewer; flat."""
    lanes = filled(outputs, lanes)
    full = np.zeros((outputs, inputs), np.float32)
    full[: weight.shape[0], : weight.shape[1]] = weight
    return full.reshape(outputs // lanes, lanes, inputs).transpose(0, 2, 1).ravel()


def vector(values: np.ndarray, size: int) -> np.ndarray:
    """Values with zeros behind them, flat."""
    full = np.zeros(size, np.float32)
    full[: values.size] = values.ravel()
    return full
