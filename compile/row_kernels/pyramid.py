"""The next coarser row of the noisy image: a depthwise 2x2 convolution with stride two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tvm import s_tir, te
from tvm.tirx import PrimFunc

from compile.row_kernels.kernel import COLUMNS, Tiling, Vectors, operands, vector
from compile.row_kernels.stages import accumulate_taps, finish_vectors

SIDE = 2


@dataclass(frozen=True)
class RowPyramid:
    """channels: from one pixel to the next, whole vectors."""

    channels: int

    @property
    def name(self) -> str:
        return f"pyramid_c{self.channels}"

    def computation(self, vectors: Vectors) -> PrimFunc:
        lanes, channels = vectors.lanes, self.channels
        a = operands(SIDE**2 * channels, vectors.values)
        shape = (a.chunks * COLUMNS, channels // lanes, lanes)
        ry, rx = te.reduce_axis((0, SIDE), "ry"), te.reduce_axis((0, SIDE), "rx")
        total = te.compute(
            shape,
            lambda x, block, lane: te.sum(
                a.rows[a.row_at(ry) + (x * SIDE + rx) * channels + block * lanes + lane]
                * a.weights[(ry * SIDE + rx) * channels + block * lanes + lane],
                axis=[ry, rx],
            ),
            name="total",
        )
        return a.function(te.compute(shape, lambda x, block, lane: total[x, block, lane], name="out"))

    def tile(self, schedule: s_tir.Schedule, _vectors: Vectors, tiling: Tiling) -> None:
        chunk = finish_vectors(schedule, schedule.get_sblock("out"), tiling.columns)
        accumulate_taps(schedule, schedule.get_sblock("total"), chunk)

    def packed(self, weight: np.ndarray) -> np.ndarray:
        """weight [C, 1, 2, 2] as the kernel reads it, flat float32."""
        taps = weight.reshape(len(weight), -1).T
        return np.concatenate([vector(tap, self.channels) for tap in taps])
