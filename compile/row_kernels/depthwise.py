"""Depthwise convolution of a row: 2x2 with stride two, as in the pyramid of the noisy image, or 3x3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from tvm import s_tir, te
from tvm.tirx import PrimFunc

from compile.row_kernels.kernel import COLUMNS, Tiling, Vectors, filled, operands, vector
from compile.row_kernels.stages import accumulate_taps, finish_vectors


@dataclass(frozen=True)
class RowDepthwise:
    """side: the kernel's height and width. channels: from one pixel to the next, whole vectors."""

    side: Literal[2, 3]
    channels: int

    @property
    def name(self) -> str:
        return f"depthwise{self.side}_c{self.channels}"

    def computation(self, vectors: Vectors) -> PrimFunc:
        channels, side = self.channels, self.side
        lanes = filled(channels, vectors.lanes)
        stride, origin = (2, 0) if side == 2 else (1, -1)
        a = operands((side**2 + 1) * channels, vectors.values)
        shape = (a.chunks * COLUMNS, channels // lanes, lanes)
        ry, rx = te.reduce_axis((0, side), "ry"), te.reduce_axis((0, side), "rx")
        total = te.compute(
            shape,
            lambda x, block, lane: te.sum(
                a.rows[a.row_at(ry) + (x * stride + rx + origin) * channels + block * lanes + lane]
                * a.weights[(ry * side + rx) * channels + block * lanes + lane],
                axis=[ry, rx],
            ),
            name="total",
        )
        bias = side**2 * channels
        return a.function(
            te.compute(
                shape,
                lambda x, block, lane: total[x, block, lane] + a.weights[bias + block * lanes + lane],
                name="out",
            )
        )

    def tile(self, schedule: s_tir.Schedule, _vectors: Vectors, tiling: Tiling) -> None:
        chunk = finish_vectors(schedule, schedule.get_sblock("out"), tiling.columns)
        accumulate_taps(schedule, schedule.get_sblock("total"), chunk)

    def packed(self, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """weight [C, 1, side, side] and bias [C] as the kernel reads them, flat float32."""
        taps = weight.reshape(len(weight), -1).T
        return np.concatenate([vector(part, self.channels) for part in (*taps, bias)])
