"""Dense convolution of a row: 3x3, 2x2 with stride two, or 1x1, with a bias and an optional addend.

Depth to space is a 1x1 convolution here: pixels of a row lie behind each other, so that for one row of the
result the outputs of one coarse pixel are two fine ones already. Likewise, where one column's outputs fill but a
part of a vector, neighbouring columns share it: their outputs are those of one wider convolution that steps over
them, whose weights are zero where a column does not look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from tvm import s_tir, te, tirx
from tvm.tirx import PrimFunc

from compile.row_kernels.kernel import COLUMNS, Tiling, Vectors, filled, largest_divisor, matrix, operands, vector
from compile.row_kernels.stages import accumulate, tile_stage


@dataclass(frozen=True)
class RowConvolution:
    """side: kernel's height and width. inputs: channels that are summed over; pitch: channels from one
    column of the input to the next. outputs: channels. together: columns that share a vector; they are whole vectors
    then. addend: a row added to the result."""

    side: Literal[1, 2, 3]
    inputs: int
    pitch: int
    outputs: int
    addend: Literal["none", "side"]
    together: int = 1

    @property
    def name(self) -> str:
        plus = "" if self.addend == "none" else "_plus"
        columns = "" if self.together == 1 else f"x{self.together}"
        return f"conv{self.side}_i{self.inputs}of{self.pitch}_o{self.outputs}{columns}{plus}"

    @property
    def _stride(self) -> int:
        return 2 if self.side == 2 else 1

    @property
    def _reach(self) -> int:
        """Columns of the input that the columns of a vector look at."""
        return self.side + (self.together - 1) * self._stride

    def computation(self, vectors: Vectors) -> PrimFunc:
        step, reach, outputs = self.together * self._stride, self._reach, self.together * self.outputs
        lanes = filled(outputs, vectors.lanes)
        products = self.side * reach * self.inputs * outputs
        a = operands(products + outputs, vectors.values)
        origin = 0 if self.side == 2 else -(self.side // 2)
        columns, blocks = a.chunks * (COLUMNS // self.together), outputs // lanes
        ry, rx = te.reduce_axis((0, self.side), "ry"), te.reduce_axis((0, reach), "rx")
        channel = te.reduce_axis((0, self.inputs), "channel")
        inputs = te.compute(
            (columns, self.side, reach, self.inputs),
            lambda x, y, dx, k: a.rows[a.row_at(y) + (x * step + dx + origin) * self.pitch + k],
            name="inputs",
        )

        def product(x: te.Var, block: tirx.Expr, y: tirx.Expr, lane: te.Var) -> tirx.Expr:
            place = ((block * self.side + y) * reach + rx) * self.inputs + channel
            return inputs[x, y, rx, channel] * a.weights[place * lanes + lane]

        if self.together == 1:
            total = te.compute(
                (columns, blocks, lanes),
                lambda x, block, lane: te.sum(product(x, block, ry, lane), axis=[ry, rx, channel]),
                name="total",
            )
        else:
            # So few vectors of sums would wait for themselves: those of the input's rows are kept apart.
            total = te.compute(
                (columns, self.side, lanes),
                lambda x, y, lane: te.sum(product(x, tirx.const(0), y, lane), axis=[rx, channel]),
                name="total",
            )

        def finished(x: te.Var, block: te.Var, lane: te.Var) -> tirx.Expr:
            value = total[x, block, lane]
            if self.together > 1:
                value = sum((total[x, y, lane] for y in range(1, self.side)), total[x, 0, lane])
            value += a.weights[products + block * lanes + lane]
            return value if self.addend == "none" else value + a.side[x * outputs + block * lanes + lane]

        return a.function(te.compute((columns, blocks, lanes), finished, name="out"))

    def tile(self, schedule: s_tir.Schedule, vectors: Vectors, tiling: Tiling) -> None:
        column, _, _ = schedule.get_loops(schedule.get_sblock("out"))
        schedule.split(column, [None, min(tiling.columns, COLUMNS // self.together)])
        outputs = self.together * self.outputs
        blocks = outputs // filled(outputs, vectors.lanes)
        group = tile_stage(schedule, schedule.get_sblock("out"), None, largest_divisor(blocks, tiling.blocks))
        accumulate(
            schedule,
            schedule.get_sblock("total"),
            schedule.get_sblock("inputs"),
            group,
            vectors.lanes,
            tiling.unrolled,
        )

    def packed(self, weight: np.ndarray, bias: np.ndarray, lanes: int) -> np.ndarray:
        """weight [O, I, side, side] and bias [O] as the kernel reads them, flat float32. lanes: of the target's
        vectors."""
        outputs = self.together * self.outputs
        rows = np.zeros((self.together, self.outputs, self.side, self._reach, self.inputs), np.float32)
        for column in range(self.together):
            left = column * self._stride
            rows[column, : len(weight), :, left : left + self.side, : weight.shape[1]] = weight.transpose(0, 2, 3, 1)
        flat = rows.reshape(outputs, -1)
        biases = np.concatenate([vector(bias, self.outputs)] * self.together)
        return np.concatenate([matrix(flat, outputs, flat.shape[1], lanes), biases])
