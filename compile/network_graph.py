"""A network as a graph of tensor operations: what is left of Relax once names and constants are resolved.

Tensors are [C, H, W]; the batch is one. Nodes are compared by identity: two convolutions with equal
weights are two convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tvm import relax

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


@dataclass(frozen=True)
class Window:
    """What an output pixel sees of the input in each direction: `size` pixels from `stride` times its own place plus
    `origin` on."""

    size: int = 1
    stride: int = 1
    origin: int = 0


@dataclass(frozen=True, eq=False)
class Other(Node):
    """Any other operator of Relax. sources: one or two, of which it sees a window of the first and the same pixel of
    the second. call: of the operator, without padding; its variables are the sources in their order, the rest
    constants."""

    sources: tuple[Node, ...]
    call: relax.Call
    window: Window
