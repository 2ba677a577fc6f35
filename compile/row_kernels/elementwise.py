"""What has no kernel of its own, value by value: one operation on one row, or on two.

The networks here need none of it; it lets others be compiled that are built of the same layers in another way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tvm import s_tir, te, tirx
from tvm.tirx import PrimFunc

from compile.row_kernels.kernel import COLUMNS, Tiling, Vectors, filled, in_a_name, operands
from compile.row_kernels.stages import finish_vectors


@dataclass(frozen=True)
class RowElementwise:
    """operation: "add" or "multiply" (the second operand is `side`), or "clip". channels: whole vectors. low, high: of
    "clip". unused: channels that only fill the last vector; they stay zero, for what follows
    multiplies them by zero and could not stand infinities."""

    operation: Literal["add", "multiply", "clip"]
    channels: int
    low: float = 0.0
    high: float = 0.0
    unused: int = 0

    @property
    def name(self) -> str:
        bounds = f"_{in_a_name(self.low)}_{in_a_name(self.high)}" if self.operation == "clip" else ""
        unused = f"_unused{self.unused}" if self.unused else ""
        return f"{self.operation}{bounds}_c{self.channels}{unused}"

    def computation(self, vectors: Vectors) -> PrimFunc:
        channels = self.channels
        lanes = filled(channels, vectors.lanes)
        a = operands(0, vectors.values)
        shape = (a.chunks * COLUMNS, channels // lanes, lanes)

        def left(x: te.Var, block: te.Var, lane: te.Var) -> tirx.Expr:
            return a.rows[a.row[0] + x * channels + block * lanes + lane]

        def value(x: te.Var, block: te.Var, lane: te.Var) -> tirx.Expr:
            right = a.side[x * channels + block * lanes + lane]
            if self.operation == "add":
                return left(x, block, lane) + right
            if self.operation == "multiply":
                return left(x, block, lane) * right
            at_least = te.max(left(x, block, lane), tirx.const(self.low, vectors.values))
            return te.min(at_least, tirx.const(self.high, vectors.values)) if math.isfinite(self.high) else at_least

        def used(x: te.Var, block: te.Var, lane: te.Var) -> tirx.Expr:
            if not self.unused:
                return value(x, block, lane)
            within = block * lanes + lane < channels - self.unused
            return tirx.Select(within, value(x, block, lane), tirx.const(0, vectors.values))

        return a.function(te.compute(shape, used, name="out"))

    def tile(self, schedule: s_tir.Schedule, _vectors: Vectors, tiling: Tiling) -> None:
        finish_vectors(schedule, schedule.get_sblock("out"), tiling.columns)
