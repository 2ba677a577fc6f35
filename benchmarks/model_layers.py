"""A network as the layers of other engines: operations, each with the activation that follows it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from compile.network_graph import Add, Clip, Convolution, DepthToSpace, Image, Multiply, Node, Relu


@dataclass(frozen=True, eq=False)
class Layer:
    """operation: what is computed. result: the tensor after its activation, which limits it to low and high."""

    operation: Node
    result: Node
    low: float
    high: float

    @property
    def sources(self) -> tuple[Node, ...]:
        return sources(self.operation)


def layers(answer: Node) -> list[Layer]:
    """The layers of the network that ends in `answer`, in an order in which each comes after what it reads.

    An activation joins the convolution that it follows, as engines' own optimisers would have it, unless something
    else reads that, too.
    """
    order = list(_in_order(answer, set()))
    readers = Counter(id(source) for node in order for source in sources(node))

    def joins_its_source(node: Node) -> TypeGuard[Relu | Clip]:
        if not isinstance(node, Relu | Clip) or not isinstance(node.source, Convolution):
            return False
        return readers[id(node.source)] == 1

    absorbed = {id(node.source) for node in order if joins_its_source(node)}
    return [
        Layer(node.source if joins_its_source(node) else node, node, *limits(node))
        for node in order
        if id(node) not in absorbed
    ]


def limits(node: Node) -> tuple[float, float]:
    """Between which values an activation's result lies; infinite for any other operation."""
    match node:
        case Relu():
            return 0.0, math.inf
        case Clip(low=low, high=high):
            return low, high
    return -math.inf, math.inf


def image_of(order: Sequence[Layer]) -> Image:
    """The network's input."""
    return next(layer.operation for layer in order if isinstance(layer.operation, Image))


def shape_of(node: Node, image: Image, height: int, width: int) -> tuple[int, int, int]:
    """Channels, height and width of a tensor for an image of another size than the network was traced with."""
    channels, rows, columns = node.shape
    return channels, rows * height // image.shape[1], columns * width // image.shape[2]


def sources(node: Node) -> tuple[Node, ...]:
    match node:
        case Image():
            return ()
        case Add(left=left, right=right) | Multiply(left=left, right=right):
            return (left, right)
        case Convolution(source=source) | Relu(source=source) | Clip(source=source) | DepthToSpace(source=source):
            return (source,)
    raise TypeError(f"{type(node).__name__}: there is no layer of other engines known for it")


def _in_order(node: Node, seen: set[int]) -> Iterator[Node]:
    if id(node) in seen:
        return
    seen.add(id(node))
    for source in sources(node):
        yield from _in_order(source, seen)
    yield node
