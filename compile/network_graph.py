"""A network as a graph of tensor operations: what is left of Relax once names and constants are resolved.

Tensors are [C, H, W]; the batch is one. Nodes are compared by identity: two convolutions with equal
weights are two convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isp.errors import ConfigError


class UnsupportedOperator(ConfigError):
    """A network with something that there is no kernel for."""


@dataclass(frozen=True, eq=False)
class Node:
    """One tensor. shape: channels, height, width."""

    shape: tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Image(Node):
    """The network's input."""


@dataclass(frozen=True, eq=False)
class Convolution(Node):
    """weight: float32 [outputs, inputs / groups, rows, columns]; bias: float32 [outputs]; padding: zeros on
    every side; stride and padding are those of both directions."""

    source: Node
    weight: np.ndarray
    bias: np.ndarray
    stride: int
    padding: int
    groups: int

    @property
    def pointwise(self) -> bool:
        return self.weight.shape[2:] == (1, 1) and self.groups == 1 and self.stride == 1

    @property
    def depthwise(self) -> bool:
        return self.groups == self.shape[0] == self.source.shape[0]


@dataclass(frozen=True, eq=False)
class Relu(Node):
    source: Node


@dataclass(frozen=True, eq=False)
class Function(Node):
    """A function of each value, by Relax's name for it."""

    source: Node
    name: str


@dataclass(frozen=True, eq=False)
class Clip(Node):
    source: Node
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Add(Node):
    left: Node
    right: Node


@dataclass(frozen=True, eq=False)
class Multiply(Node):
    left: Node
    right: Node


@dataclass(frozen=True, eq=False)
class DepthToSpace(Node):
    """Channels to 2x2 pixels; the channel is the slower index, as in PyTorch's pixel_shuffle."""

    source: Node
