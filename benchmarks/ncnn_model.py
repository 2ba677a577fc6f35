"""A network in the files of ncnn, for measuring it beside ours: the same operations, the same weights.

References
----------
ncnn's documentation, "param and model file structure" and "operators".
"""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.model_layers import Layer, layers
from compile.network_graph import Add, Clip, Convolution, DepthToSpace, Image, Multiply, Node, Relu

PARAM: Final = "network.param"
BINARY: Final = "network.bin"
INPUT: Final = "image"
OUTPUT: Final = "answer"
_MAGIC: Final = 7767517
_FLOAT32: Final = struct.pack("<I", 0)


def write(answer: Node, _height: int, _width: int, folder: Path) -> None:
    """Writes the network that ends in `answer`, for images of any size, into a folder."""
    model = _Model(answer)
    lines = [f"{_MAGIC}", f"{len(model.lines)} {model.blobs}", *model.lines]
    (folder / PARAM).write_text("\n".join(lines) + "\n", encoding="ascii")
    (folder / BINARY).write_bytes(b"".join(model.weights))


class _Model:
    def __init__(self, answer: Node) -> None:
        self.lines: list[str] = []
        self.weights: list[bytes] = []
        self.blobs = 0
        self._answer = answer
        order = layers(answer)
        self._readers = Counter(id(source) for layer in order for source in layer.sources)
        self._unread: dict[int, list[str]] = {}
        for layer in order:
            self._add(layer)

    def _add(self, layer: Layer) -> None:
        operation, result = layer.operation, layer.result
        name = OUTPUT if result is self._answer else INPUT if isinstance(result, Image) else f"blob{len(self.lines)}"
        inputs = [self._unread[id(source)].pop() for source in layer.sources]
        blobs = " ".join([*inputs, name])
        activation = _activation(result) if result is not operation else ""
        self.lines.append(f"{_kind(operation)} {name} {len(inputs)} 1 {blobs}{_options(operation)}{activation}")
        self.blobs += 1
        if isinstance(operation, Convolution):
            weight, bias = (values.astype("<f4").tobytes() for values in (operation.weight, operation.bias))
            self.weights += [_FLOAT32, weight, bias]
        self._unread[id(result)] = self._split(name, self._readers[id(result)])

    def _split(self, name: str, readers: int) -> list[str]:
        """Names of a blob, one for each that reads it."""
        if readers <= 1:
            return [name]
        names = [f"{name}_{number}" for number in range(readers)]
        self.lines.append(f"Split split_{name} 1 {readers} {name} {' '.join(names)}")
        self.blobs += readers
        return names


def _activation(node: Node) -> str:
    return f" 9=3 -23310=2,{node.low},{node.high}" if isinstance(node, Clip) else " 9=1"


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
