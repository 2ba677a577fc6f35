"""Dense 3x3 convolution of a row with few outputs, such as the network's answer, for wide vectors.

Each column of the input is multiplied at once with all that it adds to: the outputs of its own column and of its
neighbours, which fill a vector together. An output is then the sum of three columns' parts of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tvm import s_tir, te, tirx
from tvm.tirx import PrimFunc

from compile.row_kernels.kernel import COLUMNS, Tiling, Vectors, matrix, operands, vector
from compile.row_kernels.stages import accumulate

SIDE = 3


@dataclass(frozen=True)
class RowFewOutputs:
    """inputs: channels that are summed over; pitch: channels from one column of the input to the next. outputs: all
    channels there are, a power of two."""

    inputs: int
    pitch: int
    outputs: int

    @property
    def name(self) -> str:
        return f"conv{SIDE}_i{self.inputs}of{self.pitch}_few{self.outputs}"

    def computation(self, vectors: Vectors) -> PrimFunc:
        lanes, outputs = vectors.lanes, self.outputs
        products = SIDE * self.inputs * lanes
        a = operands(products + outputs, vectors.values)
        ry, channel = te.reduce_axis((0, SIDE), "ry"), te.reduce_axis((0, self.inputs), "channel")
        # Of each chunk, from the column to the left of it to the one to the right.
        seen = (a.chunks, COLUMNS + SIDE - 1)
        inputs = te.compute(
            (*seen, SIDE, self.inputs),
            lambda chunk, x, y, k: a.rows[a.row_at(y) + (chunk * COLUMNS + x - 1) * self.pitch + k],
            name="inputs",
        )
        total = te.compute(
            (*seen, lanes),
            lambda chunk, x, lane: te.sum(
                inputs[chunk, x, ry, channel] * a.weights[(ry * self.inputs + channel) * lanes + lane],
                axis=[ry, channel],
            ),
            name="total",
        )

        def finished(x: te.Var, lane: te.Var) -> tirx.Expr:
            value = a.weights[products + lane]
            # Behind the last column's part there are zeros. They are read, too, so that whole vectors are summed.
            for part in range(lanes // outputs):
                value += total[x // COLUMNS, x % COLUMNS + min(part, SIDE - 1), part * outputs + lane]
            return value

        return a.function(te.compute((a.chunks * COLUMNS, outputs), finished, name="out"))

    def tile(self, schedule: s_tir.Schedule, vectors: Vectors, tiling: Tiling) -> None:
        column, lane = schedule.get_loops(schedule.get_sblock("out"))
        _, group, few = schedule.split(column, [None, COLUMNS // tiling.columns, tiling.columns])
        schedule.unroll(few)
        schedule.vectorize(lane)
        total, inputs = schedule.get_sblock("total"), schedule.get_sblock("inputs")
        accumulate(schedule, total, inputs, group, vectors.lanes, tiling.unrolled)

    def packed(self, weight: np.ndarray, bias: np.ndarray, lanes: int) -> np.ndarray:
        """weight [O, I, 3, 3] and bias [O] as the kernel reads them, flat float32. lanes: of the target's vectors."""
        # From [output][channel][row][column] to [column][output][row][channel].
        parts = weight.transpose(3, 0, 2, 1).reshape(SIDE * self.outputs, SIDE * self.inputs)
        return np.concatenate([matrix(parts, lanes, SIDE * self.inputs, lanes), vector(bias, self.outputs)])
