"""Two rows of the mosaic to one row of the image that the network sees.

The arithmetic is that of `denoiser.normalisation.network_input`, whose constants the caller works out from
the noise model; see there for the transform.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import s_tir, te, tirx
from tvm.tirx import PrimFunc

from compile.row_kernels.kernel import COLUMNS, Tiling, Vectors, filled, operands
from compile.row_kernels.stages import finish_vectors
from denoiser.normalisation import DEEPEST_SIGMAS

CONSTANTS = ("shot", "zero", "zero_squared", "per_zero", "scale", "offset")
"""Of each channel of the image, one vector after the other: the noise and what follows from it; scale and offset
bring the stabilised value, in standard deviations of the noise, to what the network sees. Channels behind the
planes have an offset alone."""
PLANES = 4


@dataclass(frozen=True)
class RowStabilise:
    """channels: of the image, whole vectors. `rows` are those of the mosaic, `weights` the CONSTANTS."""

    channels: int

    @property
    def name(self) -> str:
        return f"stabilise_c{self.channels}"

    def computation(self, vectors: Vectors) -> PrimFunc:
        lanes = filled(self.channels, vectors.lanes)
        a = operands(len(CONSTANTS) * self.channels, vectors.values, mosaic="float32", constants="float32")
        nothing = tirx.const(0, "float32")

        def value(x: te.Var, block: te.Var, lane: te.Var) -> tirx.Expr:
            channel = block * lanes + lane
            shot, zero, zero_squared, per_zero, scale, offset = (
                a.weights[index * self.channels + channel] for index in range(len(CONSTANTS))
            )
            # Channels 0 to 3 are the planes R, Gr, Gb, B.
            row = tirx.Select(tirx.bitwise_and(channel, 2) == 0, a.row[0], a.row[1])
            pixel = a.rows[row + 2 * x + tirx.bitwise_and(channel, 1)]
            light = te.max(pixel, nothing)
            stabilised = 2 * light / (tirx.sqrt(shot * light + zero_squared) + zero)
            below = te.max((pixel - light) * per_zero, tirx.const(-DEEPEST_SIGMAS, "float32"))
            seen = ((stabilised + below) * scale + offset).astype(vectors.values)
            return tirx.Select(channel < PLANES, seen, offset.astype(vectors.values))

        shape = (a.chunks * COLUMNS, self.channels // lanes, lanes)
        return a.function(te.compute(shape, value, name="out"))

    def tile(self, schedule: s_tir.Schedule, _vectors: Vectors, tiling: Tiling) -> None:
        finish_vectors(schedule, schedule.get_sblock("out"), tiling.columns)
