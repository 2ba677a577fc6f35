"""A network in the files of ncnn, for measuring it beside ours: the same operations, the same weights.

Activations are part of the convolution that they follow, as ncnn's own optimiser would have them.

References
----------
ncnn's documentation, "param and model file structure" and "operators".
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeGuard

import numpy as np

from compile.network_graph import Add, Clip, Convolution, DepthToSpace, Image, Multiply, Node, Relu

INPUT: Final = "image"
OUTPUT: Final = "answer"
_MAGIC: Final = 7767517
_FLOAT32: Final = struct.pack("<I", 0)


def write(answer: Node, param: Path, binary: Path) -> None:
    """Writes the network that ends in `answer` as a .param and a .bin file; blobs are named INPUT and OUTPUT."""
    model = _Model(answer)
    lines = [f"{_MAGIC}", f"{len(model.lines)} {model.blobs}", *model.lines]
    param.write_text("\n".join(lines) + "\n", encoding="ascii")
    binary.write_bytes(b"".join(model.weights))


class _Model:
    """The layers, in an order in which each comes after what it reads."""

    def __init__(self, answer: Node) -> None:
        self.lines: list[str] = []
        self.weights: list[bytes] = []
        self.blobs = 0
        self._answer = answer
        order = list(_in_order(answer, set()))
        self._readers = Counter(id(source) for node in order for source in _sources(node))
        self._unread: dict[int, list[str]] = {}
        absorbed = {id(node.source) for node in order if self._joins_its_source(node)}
        for node in order:
            if id(node) not in absorbed:
                self._add(node)

    def _joins_its_source(self, node: Node) -> TypeGuard[Relu | Clip]:
        if not isinstance(node, Relu | Clip) or not isinstance(node.source, Convolution):
            return False
        return self._readers[id(node.source)] == 1

    def _add(self, node: Node) -> None:
        layer, activation = node, ""
        if self._joins_its_source(node):
            layer = node.source
            activation = f" 9=3 -23310=2,{node.low},{node.high}" if isinstance(node, Clip) else " 9=1"
        name = OUTPUT if node is self._answer else INPUT if isinstance(node, Image) else f"blob{len(self.lines)}"
        inputs = [self._unread[id(source)].pop() for source in _sources(layer)]
        blobs = " ".join([*inputs, name])
        self.lines.append(f"{_kind(layer)} {name} {len(inputs)} 1 {blobs}{_options(layer)}{activation}")
        self.blobs += 1
        if isinstance(layer, Convolution):
            self.weights += [_FLOAT32, layer.weight.astype("<f4").tobytes(), layer.bias.astype("<f4").tobytes()]
        self._unread[id(node)] = self._split(name, self._readers[id(node)])

    def _split(self, name: str, readers: int) -> list[str]:
        """Names of a blob, one for each that reads it."""
        if readers <= 1:
            return [name]
        names = [f"{name}_{number}" for number in range(readers)]
        self.lines.append(f"Split split_{name} 1 {readers} {name} {' '.join(names)}")
        self.blobs += readers
        return names


def _in_order(node: Node, seen: set[int]) -> Iterator[Node]:
    if id(node) in seen:
        return
    seen.add(id(node))
    for source in _sources(node):
        yield from _in_order(source, seen)
    yield node


def _sources(node: Node) -> tuple[Node, ...]:
    match node:
        case Image():
            return ()
        case Add(left=left, right=right) | Multiply(left=left, right=right):
            return (left, right)
        case Convolution(source=source) | Relu(source=source) | Clip(source=source) | DepthToSpace(source=source):
            return (source,)
    raise TypeError(f"{type(node).__name__}: there is no layer of ncnn known for it")


def _kind(node: Node) -> str:
    match node:
        case Image():
            return "Input"
        case Convolution(groups=groups):
            return "Convolution" if groups == 1 else "ConvolutionDepthWise"
        case Add() | Multiply():
            return "BinaryOp"
        case Relu():
            return "ReLU"
        case Clip():
            return "Clip"
    return "PixelShuffle"


def _options(node: Node) -> str:
    match node:
        case Convolution(weight=weight, stride=stride, padding=padding, groups=groups):
            outputs, _, rows, columns = weight.shape
            grouped = "" if groups == 1 else f" 7={groups}"
            size = f"0={outputs} 1={columns} 11={rows} 3={stride} 4={padding} 5=1 6={np.size(weight)}"
            return f" {size}{grouped}"
        case Add():
            return " 0=0"
        case Multiply():
            return " 0=2"
        case Clip(low=low, high=high):
            return f" 0={low} 1={high}"
        case DepthToSpace():
            return " 0=2 1=0"
    return ""
