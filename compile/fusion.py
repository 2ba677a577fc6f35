"""A network's graph as a program of rows: groups of operations that one kernel does.

A whole residual block with its Feature-Align layer is one kernel; so is a convolution that is followed by
depth to space and the addition of a skip connection. A graph that holds anything else is refused.
"""

from __future__ import annotations

from typing import NoReturn

import numpy as np

from compile.network_graph import (
    Add,
    Clip,
    Convolution,
    DepthToSpace,
    Image,
    Multiply,
    Node,
    Relu,
    UnsupportedOperator,
)
from compile.row_kernels.convolution import RowConvolution
from compile.row_kernels.kernel import padded
from compile.row_kernels.pyramid import RowPyramid
from compile.row_kernels.residual_block import Alignment, AlignmentWeights, BlockWeights, RowBlock
from compile.row_program import AROUND, HALF, PAIR, SAME, Ring, RowProgram, Step


def fuse(output: Node, lanes: int) -> RowProgram:
    """The program that computes `output`, for vectors of `lanes` values. Raises UnsupportedOperator."""
    builder = _Builder(lanes)
    answer = builder.ring(output)
    if builder.image is None:
        raise UnsupportedOperator("network that doesn't read its input", expected="one that does")
    return RowProgram(builder.image, tuple(builder.steps), answer)


def _refused(node: Node) -> NoReturn:
    name = type(node).__name__.lower()
    detail = ""
    if isinstance(node, Convolution):
        name = f"{'x'.join(map(str, node.weight.shape))} convolution"
        detail = f" with stride {node.stride}, padding {node.padding}, {node.groups} groups"
    raise UnsupportedOperator(
        f"{name}{detail} to {'x'.join(map(str, node.shape))}, outside every group that there is a kernel for",
        expected="the layers of a Feature-Align network",
    )


class _Builder:
    """Makes a ring for every tensor that has to be kept, inputs first."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.steps: list[Step] = []
        self.image: Ring | None = None
        self._rings: dict[Node, Ring] = {}
        self._image_height = 0

    def ring(self, node: Node) -> Ring:
        if node not in self._rings:
            self._rings[node] = self._made(node)
        return self._rings[node]

    def _made(self, node: Node) -> Ring:
        match node:
            case Image():
                self._image_height = node.shape[1]
                self.image = self._new_ring(node)
                return self.image
            case Add(left=DepthToSpace(source=Convolution() as spread), right=skip) if spread.pointwise:
                return self._upsampled(node, spread, skip)
            case Add(left=Multiply(left=block, right=Clip() | Convolution() as gamma), right=Convolution() as beta):
                return self._block(node, block, gamma, beta)
            case Add():
                return self._block(node, node, None, None)
            case Convolution():
                return self._convolution(node)
        _refused(node)

    def _new_ring(self, node: Node) -> Ring:
        scale = (self._image_height // node.shape[1]).bit_length() - 1
        return Ring(scale, padded(node.shape[0], self.lanes))

    def _append(self, step: Step) -> Ring:
        self.steps.append(step)
        return step.target

    def _convolution(self, node: Convolution) -> Ring:
        source = self.ring(node.source)
        side = node.weight.shape[2]
        target = self._new_ring(node)
        known = {(3, 1, 1): AROUND, (2, 2, 0): PAIR, (1, 1, 0): SAME}
        rows = known.get((side, node.stride, node.padding))
        if rows is None or node.weight.shape[3] != side:
            _refused(node)
        if node.groups == 1:
            kernel = RowConvolution(side, node.source.shape[0], source.channels, target.channels, "none")
            return self._append(
                Step(kernel, source, rows, None, target, kernel.packed(node.weight, node.bias, self.lanes), 1)
            )
        if node.depthwise and side == 2 and not node.bias.any():
            pyramid = RowPyramid(source.channels)
            return self._append(Step(pyramid, source, rows, None, target, pyramid.packed(node.weight), 1))
        _refused(node)

    def _upsampled(self, node: Add, spread: Convolution, skip: Node) -> Ring:
        side, source = self.ring(skip), self.ring(spread.source)
        target = self._new_ring(node)
        kernel = RowConvolution(1, spread.source.shape[0], source.channels, 2 * target.channels, "side")
        # From [channel][row][column] to, for each row, [column][channel].
        channels = node.shape[0]
        weight = spread.weight.reshape(channels, 2, 2, -1).transpose(1, 2, 0, 3)
        bias = spread.bias.reshape(channels, 2, 2).transpose(1, 2, 0)
        full_weight = np.zeros((2, 2, target.channels, weight.shape[3]), np.float32)
        full_bias = np.zeros((2, 2, target.channels), np.float32)
        full_weight[:, :, :channels], full_bias[:, :, :channels] = weight, bias
        packed = [
            kernel.packed(full_weight[row].reshape(2 * target.channels, -1, 1, 1), full_bias[row].ravel(), self.lanes)
            for row in (0, 1)
        ]
        return self._append(Step(kernel, source, HALF, side, target, np.concatenate(packed), 2))

    def _block(self, node: Add, block: Node, gamma: Node | None, beta: Convolution | None) -> Ring:
        match block:
            case Add(
                left=before,
                right=Convolution(
                    source=Relu(source=Convolution(source=Convolution() as depthwise) as widen)
                ) as narrow,
            ) if (
                depthwise.source is before
                and depthwise.depthwise
                and depthwise.weight.shape[2:] == (3, 3)
                and (depthwise.stride, depthwise.padding) == (1, 1)
                and widen.pointwise
                and narrow.pointwise
            ):
                source = self.ring(before)
                alignment, aligning, image = self._alignment(node, gamma, beta)
                kernel = RowBlock(source.channels, padded(widen.shape[0], self.lanes), alignment)
                weights = BlockWeights(
                    depthwise.weight[:, 0],
                    depthwise.bias,
                    widen.weight[..., 0, 0],
                    widen.bias,
                    narrow.weight[..., 0, 0],
                    narrow.bias,
                    aligning,
                )
                target = self._new_ring(node)
                return self._append(Step(kernel, source, AROUND, image, target, kernel.packed(weights, self.lanes), 1))
        _refused(node)

    def _alignment(
        self, node: Add, gamma: Node | None, beta: Convolution | None
    ) -> tuple[Alignment | None, AlignmentWeights | None, Ring | None]:
        if gamma is None:
            return None, None, None
        low, high = (gamma.low, gamma.high) if isinstance(gamma, Clip) else (-np.inf, np.inf)
        factor = gamma.source if isinstance(gamma, Clip) else gamma
        match factor, beta:
            case (
                Convolution(source=Relu(source=Convolution() as image) as hidden),
                Convolution(source=also_hidden),
            ) if hidden is also_hidden and image.pointwise and factor.pointwise and beta.pointwise:
                ring = self.ring(image.source)
                shape = Alignment(
                    image.source.shape[0], ring.channels, padded(hidden.shape[0], self.lanes), float(low), float(high)
                )
                weights = AlignmentWeights(
                    image.weight[..., 0, 0],
                    image.bias,
                    factor.weight[..., 0, 0],
                    factor.bias,
                    beta.weight[..., 0, 0],
                    beta.bias,
                )
                return shape, weights, ring
        _refused(node)
