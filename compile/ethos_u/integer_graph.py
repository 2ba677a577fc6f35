"""A quantised network: what is left of it once every value is an integer.

A tensor's values are `step` times integers; there are no zero points, so that zeros beyond a tile's border are zeros.
Nodes are compared by identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class Precision(StrEnum):
    """Bits of activations and weights."""

    A16W8 = "a16w8"
    A8W8 = "a8w8"

    @property
    def activation(self) -> np.dtype:
        return np.dtype(np.int16 if self is Precision.A16W8 else np.int8)

    @property
    def largest(self) -> int:
        """Magnitude that stands for a tensor's limit."""
        return int(np.iinfo(self.activation).max)

    @property
    def lowest(self) -> int:
        """Where a value saturates downwards."""
        return int(np.iinfo(self.activation).min)


@dataclass(frozen=True)
class Scale:
    """Multiplication by `multiplier / 2**shift`, rounded half up, as TOSA's RESCALE does it."""

    multiplier: int
    shift: int


@dataclass(frozen=True, eq=False)
class Tensor:
    """channels: of each pixel. step: real value of one."""

    channels: int
    step: float


@dataclass(frozen=True, eq=False)
class Image(Tensor):
    """The network's input."""


@dataclass(frozen=True, eq=False)
class Convolution(Tensor):
    """weight: int8 [outputs, inputs / groups, rows, columns]. bias: int64 [outputs], in units of the sum of products.
    scales: from that sum to the output, for each output channel. low, high: what the output is bounded to."""

    source: Tensor
    weight: np.ndarray
    bias: np.ndarray
    scales: tuple[Scale, ...]
    stride: int
    padding: int
    groups: int
    low: int
    high: int


@dataclass(frozen=True, eq=False)
class Add(Tensor):
    """Both operands have the same step. scale: from that to the step of the sum."""

    left: Tensor
    right: Tensor
    scale: Scale


@dataclass(frozen=True, eq=False)
class Multiply(Tensor):
    """scale: from the product of the operands' steps to the step of the product."""

    left: Tensor
    right: Tensor
    scale: Scale


@dataclass(frozen=True, eq=False)
class DepthToSpace(Tensor):
    """Channels to 2x2 pixels, the channel being the slower index."""

    source: Convolution


@dataclass(frozen=True)
class IntegerNetwork:
    """precision: of all its tensors."""

    precision: Precision
    image: Image
    output: Tensor

    def ordered(self) -> tuple[Tensor, ...]:
        """Every tensor once, each after what it is made of."""
        found: dict[Tensor, None] = {}

        def visit(tensor: Tensor) -> None:
            if tensor in found:
                return
            for source in sources(tensor):
                visit(source)
            found[tensor] = None

        visit(self.output)
        return tuple(found)


def sources(tensor: Tensor) -> tuple[Tensor, ...]:
    """What a tensor is made of."""
    if isinstance(tensor, Add | Multiply):
        return tensor.left, tensor.right
    if isinstance(tensor, Convolution | DepthToSpace):
        return (tensor.source,)
    return ()
