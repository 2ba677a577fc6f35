"""A network's graph as a program of rows: groups of operations that one kernel does.

A whole residual block with its Feature-Align layer is one kernel; so is a convolution that is followed by
depth to space and the addition of a skip connection. What is in no such group has a kernel of its own, if a slower
one, which may be Relax's; what does not work on rows is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NoReturn

import numpy as np

from compile.network_graph import (
    Add,
    Clip,
    Convolution,
    DepthToSpace,
    Image,
    Multiply,
    Node,
    Other,
    Relu,
    UnsupportedOperator,
)
from compile.relax_fallback import convolution as by_relax
from compile.row_kernels import few_outputs
from compile.row_kernels.convolution import RowConvolution
from compile.row_kernels.depthwise import RowDepthwise
from compile.row_kernels.elementwise import RowElementwise
from compile.row_kernels.few_outputs import RowFewOutputs
from compile.row_kernels.kernel import COLUMNS, padded
from compile.row_kernels.relax_operator import RowRelaxOperator
from compile.row_kernels.residual_block import Alignment, AlignmentWeights, BlockWeights, RowBlock
from compile.row_program import AROUND, HALF, PAIR, SAME, Ring, RowProgram, Rows, Step

NO_WEIGHTS = np.zeros(0, np.float32)


def fuse(output: Node, lanes: int) -> RowProgram:
    """The program that computes `output`, for vectors of `lanes` values. Raises UnsupportedOperator."""
    builder = _Builder(output, lanes)
    answer = builder.ring(output)
    if builder.image is None:
        raise UnsupportedOperator("network that doesn't read its input", expected="one that does")
    return RowProgram(builder.image, tuple(builder.steps), answer)


def _refused(node: Node) -> NoReturn:
    name = type(node).__name__.lower()
    raise UnsupportedOperator(
        f"{name} to {'x'.join(map(str, node.shape))}, outside every group that there is a kernel for",
        expected="the layers of a Feature-Align network",
    )


@dataclass(frozen=True)
class _Aligning:
    """A Feature-Align layer and where its image comes from; all None where there is none."""

    shape: Alignment | None
    weights: AlignmentWeights | None
    image: Ring | None


_UNALIGNED = _Aligning(None, None, None)


class _Builder:
    """Makes a ring for every tensor that has to be kept, inputs first."""

    def __init__(self, output: Node, lanes: int) -> None:
        self.output, self.lanes = output, lanes
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
            case DepthToSpace(source=Convolution() as spread) if spread.pointwise:
                return self._upsampled(node, spread, None)
            case Add(left=Multiply(left=block, right=Clip() | Convolution() as gamma), right=Convolution() as beta):
                return self._block(node, block, gamma, beta) or self._elementwise(node)
            case Add():
                return self._block(node, node, None, None) or self._elementwise(node)
            case Convolution():
                return self._convolution(node)
            case Multiply() | Relu() | Clip():
                return self._elementwise(node)
            case Other():
                return self._other(node)
        _refused(node)

    def _elementwise(self, node: Node) -> Ring:
        """What is part of no larger group: a kernel that does this alone."""
        low = high = 0.0
        operation: Literal["add", "multiply", "clip"]
        operands: tuple[Node, ...]
        match node:
            case Add(left=left, right=right):
                operation, operands = "add", (left, right)
            case Multiply(left=left, right=right):
                operation, operands = "multiply", (left, right)
            case Relu(source=source):
                operation, operands, low, high = "clip", (source,), 0.0, np.inf
            case Clip(source=source, low=low, high=high):
                operation, operands = "clip", (source,)
            case _:
                _refused(node)
        first, *second = (self.ring(operand) for operand in operands)
        target = self._new_ring(node)
        kernel = RowElementwise(operation, target.channels, low, high, target.channels - node.shape[0])
        return self._append(Step(kernel, first, SAME, second[0] if second else None, target, NO_WEIGHTS, 1))

    def _new_ring(self, node: Node) -> Ring:
        return Ring(self._scale(node), padded(node.shape[0], self.lanes))

    def _scale(self, node: Node) -> int:
        """Halvings from full packed resolution."""
        if node.shape[1] > self._image_height:
            _refused(node)
        return (self._image_height // node.shape[1]).bit_length() - 1

    def _append(self, step: Step) -> Ring:
        self.steps.append(step)
        return step.target

    def _other(self, node: Other) -> Ring:
        first, *second = (self.ring(source) for source in node.sources)
        target = self._new_ring(node)
        window = node.window
        rows = Rows(window.stride, 0, window.origin, window.size)
        pitches = tuple(ring.channels for ring in (first, *second))
        kernel = RowRelaxOperator(node.call, window, pitches, target.channels)
        return self._append(Step(kernel, first, rows, second[0] if second else None, target, kernel.packed, 1))

    def _convolution(self, node: Convolution) -> Ring:
        side = node.weight.shape[2]
        known = {(3, 1, 1): AROUND, (2, 2, 0): PAIR, (1, 1, 0): SAME}
        rows = known.get((side, node.stride, node.padding))
        depthwise_here = node.depthwise and side in (2, 3)
        if rows is None or node.weight.shape[3] != side or not (node.groups == 1 or depthwise_here):
            return self.ring(by_relax(node))
        source = self.ring(node.source)
        if node.groups == 1:
            kernel = self._dense(node, side, source)
            target = Ring(self._scale(node), kernel.outputs)
            packed = kernel.packed(node.weight, node.bias, self.lanes)
            return self._append(Step(kernel, source, rows, None, target, packed, 1))
        target = self._new_ring(node)
        depthwise = RowDepthwise(side, source.channels)
        packed = depthwise.packed(node.weight, node.bias)
        return self._append(Step(depthwise, source, rows, None, target, packed, 1))

    def _dense(self, node: Convolution, side: Literal[1, 2, 3], source: Ring) -> RowConvolution | RowFewOutputs:
        """Of the network's answer, which no kernel reads in vectors, columns may share one."""
        inputs, outputs = node.source.shape[0], node.shape[0]
        share, rest = divmod(self.lanes, outputs)
        if node is not self.output or rest or COLUMNS % share:
            return RowConvolution(side, inputs, source.channels, padded(outputs, self.lanes), "none")
        if side == few_outputs.SIDE and share >= side:
            return RowFewOutputs(inputs, source.channels, outputs)
        return RowConvolution(side, inputs, source.channels, outputs, "none", share)

    def _upsampled(self, node: Node, spread: Convolution, skip: Node | None) -> Ring:
        side, source = None if skip is None else self.ring(skip), self.ring(spread.source)
        target = self._new_ring(node)
        addend: Literal["none", "side"] = "none" if skip is None else "side"
        kernel = RowConvolution(1, spread.source.shape[0], source.channels, 2 * target.channels, addend)
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

    def _block(self, node: Add, block: Node, gamma: Node | None, beta: Convolution | None) -> Ring | None:
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
                aligning = _UNALIGNED if gamma is None else self._aligning(gamma, beta)
                if aligning is None:
                    return None
                source = self.ring(before)
                kernel = RowBlock(
                    source.channels,
                    padded(widen.shape[0], self.lanes),
                    aligning.shape,
                    source.channels - before.shape[0],
                )
                weights = BlockWeights(
                    depthwise.weight[:, 0],
                    depthwise.bias,
                    widen.weight[..., 0, 0],
                    widen.bias,
                    narrow.weight[..., 0, 0],
                    narrow.bias,
                    aligning.weights,
                )
                target, packed = self._new_ring(node), kernel.packed(weights, self.lanes)
                return self._append(Step(kernel, source, AROUND, aligning.image, target, packed, 1))
        return None

    def _aligning(self, gamma: Node, beta: Convolution | None) -> _Aligning | None:
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
                return _Aligning(shape, weights, ring)
        return None
