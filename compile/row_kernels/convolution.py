"""Dense convolution of a row: 3x3, 2x2 with stride two, or 1x1, with a bias and an optional addend.

Depth to space is a 1x1 convolution here: pixels of a row lie behind each other, so that for one row of the
result the outputs of one coarse pixel are two fine ones already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from tvm import s_tir, te, tirx
from tvm.tirx import PrimFunc

from compile.row_kernels.kernel import COLUMNS, Tiling, Vectors, largest_divisor, matrix, operands, vector
from compile.row_kernels.stages import accumulate, tile_stage


@dataclass(frozen=True)
class RowConvolution:
    """side: kernel's height and width. inputs: channels that are summed over; pitch: channels from one
    column of the input to the next. outputs: channels, whole vectors. addend: a row added to the result."""

    side: Literal[1, 2, 3]
    inputs: int
    pitch: int
    outputs: int
    addend: Literal["none", "side"]

    @property
    def name(self) -> str:
        plus = "" if self.addend == "none" else "_plus"
        return f"conv{self.side}_i{self.inputs}of{self.pitch}_o{self.outputs}{plus}"

    def computation(self, vectors: Vectors) -> PrimFunc:
        lanes, taps = vectors.lanes, self.side**2
        products = taps * self.inputs * self.outputs
        a = operands(products + self.outputs, vectors.values)
        stride, origin = (2, 0) if self.side == 2 else (1, -(self.side // 2))
        columns, blocks = a.chunks * COLUMNS, self.outputs // lanes
        ry, rx = te.reduce_axis((0, self.side), "ry"), te.reduce_axis((0, self.side), "rx")
        channel = te.reduce_axis((0, self.inputs), "channel")
        inputs = te.compute(
            (columns, self.side, self.side, self.inputs),
            lambda x, y, dx, k: a.rows[a.row_at(y) + (x * stride + dx + origin) * self.pitch + k],
            name="inputs",
        )
        total = te.compute(
            (columns, blocks, lanes),
            lambda x, block, lane: te.sum(
                inputs[x, ry, rx, channel]
                * a.weights[(((block * self.side + ry) * self.side + rx) * self.inputs + channel) * lanes + lane],
                axis=[ry, rx, channel],
            ),
            name="total",
        )

        def finished(x: te.Var, block: te.Var, lane: te.Var) -> tirx.Expr:
            value = total[x, block, lane] + a.weights[products + block * lanes + lane]
            return value if self.addend == "none" else value + a.side[x * self.outputs + block * lanes + lane]

        return a.function(te.compute((columns, blocks, lanes), finished, name="out"))

    def tile(self, schedule: s_tir.Schedule, vectors: Vectors, tiling: Tiling) -> None:
        column, _, _ = schedule.get_loops(schedule.get_sblock("out"))
        schedule.split(column, [None, tiling.columns])
        group = tile_stage(
            schedule, schedule.get_sblock("out"), None, largest_divisor(self.outputs // vectors.lanes, tiling.blocks)
        )
        accumulate(
            schedule,
            schedule.get_sblock("total"),
            schedule.get_sblock("inputs"),
            group,
            vectors.lanes,
            tiling.unrolled,
        )

    def packed(self, weight: np.ndarray, bias: np.ndarray, lanes: int) -> np.ndarray:
        """weight [O, I, side, side] and bias [O] as the kernel reads them, flat float32."""
        rows = np.zeros((self.outputs, self.side, self.side, self.inputs), np.float32)
        rows[: weight.shape[0], ..., : weight.shape[1]] = weight.transpose(0, 2, 3, 1)
        columns = self.side * self.side * self.inputs
        flat = rows.reshape(self.outputs, columns)
        return np.concatenate([matrix(flat, self.outputs, columns, lanes), vector(bias, self.outputs)])
