"""The network's answer put back on one row of the mosaic.

The arithmetic is that of `denoiser.normalisation.apply_residual`, whose constants the caller works out from
the noise model.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import s_tir, te, tirx
from tvm.tirx import PrimFunc

from compile.row_kernels.kernel import COLUMNS, Tiling, Vectors, operands

CONSTANTS = ("shot", "read", "deepest")
"""Of each of the row's two colours, one pair after the other. The variance shot * x + read is that of one unit of the
network's answer. deepest: values below it are left as they are."""


@dataclass(frozen=True)
class RowRestore:
    """pitch: channels of the network's answer from one pixel to the next. `rows` at row0 is the mosaic's row;
    `side` the answer's, beginning at the channel of the row's first colour; `weights` the CONSTANTS."""

    pitch: int

    @property
    def name(self) -> str:
        return f"restore_c{self.pitch}"

    def computation(self, vectors: Vectors) -> PrimFunc:
        a = operands(2 * len(CONSTANTS), vectors.values, mosaic="float32", constants="float32")

        def value(x: te.Var, colour: te.Var) -> tirx.Expr:
            shot, read, deepest = (a.weights[2 * index + colour] for index in range(len(CONSTANTS)))
            pixel = a.rows[a.row[0] + 2 * x + colour]
            light = te.max(pixel, tirx.const(0, "float32"))
            answer = a.side[x * self.pitch + colour].astype("float32") * tirx.sqrt(shot * light + read)
            return pixel + tirx.Select(pixel >= deepest, answer, tirx.const(0, "float32"))

        return a.function(te.compute((a.chunks * COLUMNS, 2), value, name="out"))

    def tile(self, schedule: s_tir.Schedule, vectors: Vectors, _tiling: Tiling) -> None:
        row = schedule.fuse(*schedule.get_loops(schedule.get_sblock("out")))
        _, lane = schedule.split(row, [None, vectors.lanes])
        schedule.vectorize(lane)
