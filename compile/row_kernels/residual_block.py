"""A whole residual block, with its Feature-Align layer if it has one, on one row.

Depthwise 3x3, 1x1 that widens, ReLU, 1x1 that narrows, added to the input; then, with a Feature-Align layer,
times a clamped gamma plus a beta, both made by 1x1 convolutions from the noisy image's pixel. All of it is
done for a few columns at once, so that only the block's input and output are memory traffic.

References
----------
"Feature-Align Network with Knowledge Distillation for Efficient Denoising", arXiv 2103.01524.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate as accumulate_sizes

import numpy as np
from tvm import s_tir, te, tirx
from tvm.s_tir.schedule import LoopRV
from tvm.tirx import PrimFunc

from compile.row_kernels.kernel import (
    COLUMNS,
    Tiling,
    Vectors,
    filled,
    in_a_name,
    largest_divisor,
    matrix,
    operands,
    vector,
)
from compile.row_kernels.stages import accumulate, accumulate_taps, tile_stage

SIDE = 3
"""Of the depthwise kernel."""


@dataclass(frozen=True)
class Alignment:
    """Of a Feature-Align layer: channels of the image that are read, and from one pixel to the next; hidden
    channels; the range that gamma is clamped to."""

    image_inputs: int
    image_pitch: int
    hidden: int
    low: float
    high: float


@dataclass(frozen=True)
class AlignmentWeights:
    """float32: image [hidden, image_inputs], gamma and beta [channels, hidden], each with its bias."""

    image: np.ndarray
    image_bias: np.ndarray
    gamma: np.ndarray
    gamma_bias: np.ndarray
    beta: np.ndarray
    beta_bias: np.ndarray


@dataclass(frozen=True)
class BlockWeights:
    """float32: depthwise [channels, 3, 3], widen [wide, channels], narrow [channels, wide], each with its bias."""

    depthwise: np.ndarray
    depthwise_bias: np.ndarray
    widen: np.ndarray
    widen_bias: np.ndarray
    narrow: np.ndarray
    narrow_bias: np.ndarray
    alignment: AlignmentWeights | None


@dataclass(frozen=True)
class RowBlock:
    """channels, wide, and the alignment's hidden: channels, whole vectors. unused: channels that only fill the last
    vector."""

    channels: int
    wide: int
    alignment: Alignment | None
    unused: int = 0

    @property
    def _inputs(self) -> int:
        return self.channels - self.unused

    @property
    def name(self) -> str:
        channels = f"c{self._inputs}of{self.channels}" if self.unused else f"c{self.channels}"
        if self.alignment is None:
            return f"block_{channels}_w{self.wide}"
        a = self.alignment
        clamp = f"{in_a_name(a.low)}_{in_a_name(a.high)}"
        return f"block_{channels}_w{self.wide}_align_i{a.image_inputs}of{a.image_pitch}_h{a.hidden}_{clamp}"

    def computation(self, vectors: Vectors) -> PrimFunc:
        lanes = filled(self.channels, vectors.lanes)
        at, size = self._layout()
        a = operands(size, vectors.values)
        columns, blocks, channels, weights = a.chunks * COLUMNS, self.channels // lanes, self.channels, a.weights
        ry, rx = te.reduce_axis((0, SIDE), "ry"), te.reduce_axis((0, SIDE), "rx")
        seen = te.compute(
            (columns, blocks, lanes),
            lambda x, block, lane: te.sum(
                a.rows[a.row_at(ry) + (x + rx - 1) * channels + block * lanes + lane]
                * weights[at["depthwise"] + (ry * SIDE + rx) * channels + block * lanes + lane],
                axis=[ry, rx],
            ),
            name="depthwise",
        )

        def product(source: te.Tensor, inputs: int, outputs: int, to_lanes: int, matrix_name: str) -> te.Tensor:
            channel = te.reduce_axis((0, inputs), "channel")
            from_lanes = source.shape[2]
            seen_by_it = te.compute(
                (columns, inputs), lambda x, k: source[x, k // from_lanes, k % from_lanes], name=f"{matrix_name}_inputs"
            )
            return te.compute(
                (columns, outputs // to_lanes, to_lanes),
                lambda x, block, lane: te.sum(
                    seen_by_it[x, channel] * weights[at[matrix_name] + (block * inputs + channel) * to_lanes + lane],
                    axis=[channel],
                ),
                name=f"{matrix_name}_total",
            )

        def with_bias(total: te.Tensor, x: tirx.Expr, block: tirx.Expr, lane: tirx.Expr) -> tirx.Expr:
            bias = total.op.name.replace("total", "bias")
            return total[x, block, lane] + weights[at[bias] + block * total.shape[2] + lane]

        def rectified(total: te.Tensor, name: str) -> te.Tensor:
            return te.compute(
                total.shape,
                lambda x, block, lane: te.max(with_bias(total, x, block, lane), tirx.const(0, vectors.values)),
                name=name,
            )

        wide = rectified(product(seen, self._inputs, self.wide, filled(self.wide, vectors.lanes), "widen"), "wide")
        narrow = product(wide, self.wide, channels, lanes, "narrow")

        def added(x: te.Var, block: te.Var, lane: te.Var) -> tirx.Expr:
            return with_bias(narrow, x, block, lane) + a.rows[a.row[1] + x * channels + block * lanes + lane]

        shape = (columns, blocks, lanes)
        if (align := self.alignment) is None:
            return a.function(te.compute(shape, added, name="out"))
        pixel = te.reduce_axis((0, align.image_inputs), "pixel")
        image_inputs = te.compute(
            (columns, align.image_inputs), lambda x, k: a.side[x * align.image_pitch + k], name="image_inputs"
        )
        hidden_lanes = filled(align.hidden, vectors.lanes)
        image = te.compute(
            (columns, align.hidden // hidden_lanes, hidden_lanes),
            lambda x, block, lane: te.sum(
                image_inputs[x, pixel]
                * weights[at["image"] + (block * align.image_inputs + pixel) * hidden_lanes + lane],
                axis=[pixel],
            ),
            name="image_total",
        )
        hidden = rectified(image, "hidden")
        # Gamma and beta as one sum: their inputs are loaded once.
        total = product(hidden, align.hidden, 2 * channels, lanes, "modulation")
        # A stage of its own, for two sums at once are more than there are registers for.
        modulation = te.compute(total.shape, lambda *at: with_bias(total, *at), name="modulation")

        def modulated(x: te.Var, block: te.Var, lane: te.Var) -> tirx.Expr:
            factor = modulation[x, block, lane]
            if math.isfinite(align.low) or math.isfinite(align.high):
                low, high = (tirx.const(bound, vectors.values) for bound in (align.low, align.high))
                factor = te.min(te.max(factor, low), high)
            return added(x, block, lane) * factor + modulation[x, blocks + block, lane]

        return a.function(te.compute(shape, modulated, name="out"))

    def tile(self, schedule: s_tir.Schedule, vectors: Vectors, tiling: Tiling) -> None:
        find = schedule.get_sblock

        def sum_up(name: str, at: LoopRV) -> None:
            total, inputs = find(f"{name}_total"), find(f"{name}_inputs")
            accumulate(schedule, total, inputs, at, vectors.lanes, tiling.unrolled)

        def staged(name: str, at: LoopRV | None) -> LoopRV:
            block = schedule.get_loops(find(name))[-2]
            return tile_stage(schedule, find(name), at, largest_divisor(int(schedule.get(block).extent), tiling.blocks))

        column, _, _ = schedule.get_loops(find("out"))
        chunk, _ = schedule.split(column, [None, tiling.columns])
        sum_up("narrow", staged("out", None))
        if self.alignment is not None:
            sum_up("modulation", staged("modulation", chunk))
            sum_up("image", staged("hidden", chunk))
        sum_up("widen", staged("wide", chunk))
        accumulate_taps(schedule, find("depthwise"), chunk)

    def _layout(self) -> tuple[dict[str, int], int]:
        """Where each weight begins among those of the kernel, and how many values there are in all."""
        sizes = {
            "depthwise": SIDE**2 * self.channels,
            "widen": self.wide * self._inputs,
            "widen_bias": self.wide,
            "narrow": self.channels * self.wide,
            "narrow_bias": self.channels,
        }
        if (align := self.alignment) is not None:
            sizes |= {
                "image": align.hidden * align.image_inputs,
                "image_bias": align.hidden,
                "modulation": 2 * self.channels * align.hidden,
                "modulation_bias": 2 * self.channels,
            }
        starts = [0, *accumulate_sizes(sizes.values())]
        return dict(zip(sizes, starts, strict=False)), starts[-1]

    def packed(self, weights: BlockWeights, lanes: int) -> np.ndarray:
        """The weights as the kernel reads them, flat float32. lanes: of the target's vectors.

        The depthwise convolution's bias goes into that of the one that follows: nothing lies between them.
        """
        channels, wide = self.channels, self.wide
        taps = np.zeros((SIDE**2, channels), np.float32)
        taps[:, : len(weights.depthwise)] = weights.depthwise.reshape(len(weights.depthwise), -1).T
        # The border is padded before the bias is added, so that this holds there too.
        widen_bias = weights.widen_bias + weights.widen @ weights.depthwise_bias
        parts = [
            taps.ravel(),
            matrix(weights.widen, wide, self._inputs, lanes),
            vector(widen_bias, wide),
            matrix(weights.narrow, channels, wide, lanes),
            vector(weights.narrow_bias, channels),
        ]
        if self.alignment is not None and (w := weights.alignment) is not None:
            hidden = self.alignment.hidden
            parts += [
                matrix(w.image, hidden, self.alignment.image_inputs, lanes),
                vector(w.image_bias, hidden),
                matrix(w.gamma, channels, hidden, lanes),
                matrix(w.beta, channels, hidden, lanes),
                vector(w.gamma_bias, channels),
                vector(w.beta_bias, channels),
            ]
        return np.concatenate(parts)
