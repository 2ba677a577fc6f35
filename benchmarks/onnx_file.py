"""A network as an ONNX file, for measuring ONNX Runtime beside ours: the same operations, the same weights.

Written as bytes of Protocol Buffers, so that neither the package onnx nor an exporter is needed.

References
----------
ONNX, onnx/onnx.proto3, and its operators of opset 17; Protocol Buffers, "Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.model_layers import image_of, layers, shape_of, sources
from compile.network_graph import Add, Clip, Convolution, DepthToSpace, Image, Multiply, Node, Relu

FILE: Final = "network.onnx"
INPUT: Final = "image"
OUTPUT: Final = "answer"
_IR_VERSION, _OPSET, _FLOAT = 8, 17, 1
_INT_ATTRIBUTE, _TEXT_ATTRIBUTE, _INTS_ATTRIBUTE = 2, 3, 7
_VARINT, _BYTES = 0, 2
_KINDS: Final = {
    Convolution: "Conv",
    Relu: "Relu",
    Clip: "Clip",
    Add: "Add",
    Multiply: "Mul",
    DepthToSpace: "DepthToSpace",
}

Field = int | str | bytes
Attribute = int | str | tuple[int, ...]


def write(answer: Node, height: int, width: int, folder: Path) -> None:
    """Writes the network that ends in `answer` into a folder, for an image of one size."""
    nodes: list[bytes] = []
    tensors: list[bytes] = []
    names: dict[int, str] = {}

    def add(node: Node) -> None:
        names[id(node)] = OUTPUT if node is answer else INPUT if isinstance(node, Image) else f"value{len(names)}"
        if isinstance(node, Image):
            return
        inputs = [names[id(source)] for source in sources(node)]
        for role, values in _constants(node).items():
            inputs.append(f"{names[id(node)]}_{role}")
            tensors.append(_tensor(inputs[-1], values))
        attributes = [_attribute(name, value) for name, value in _attributes(node).items()]
        fields = [*((1, name) for name in inputs), (2, names[id(node)]), (4, _KINDS[type(node)])]
        nodes.append(_message(*fields, *((5, attribute) for attribute in attributes)))

    order = layers(answer)
    for layer in order:
        for node in dict.fromkeys((layer.operation, layer.result)):
            add(node)
    image = image_of(order)
    shapes = [(1, *shape_of(node, image, height, width)) for node in (image, answer)]
    ends = ((11, _value(INPUT, shapes[0])), (12, _value(OUTPUT, shapes[1])))
    graph = _message(*((1, node) for node in nodes), (2, "network"), *((5, tensor) for tensor in tensors), *ends)
    (folder / FILE).write_bytes(_message((1, _IR_VERSION), (7, graph), (8, _message((2, _OPSET)))))


def _constants(node: Node) -> dict[str, np.ndarray]:
    match node:
        case Convolution(weight=weight, bias=bias):
            return {"weight": weight, "bias": bias}
        case Clip(low=low, high=high):
            return {"low": np.array(low), "high": np.array(high)}
    return {}


def _attributes(node: Node) -> dict[str, Attribute]:
    match node:
        case Convolution(weight=weight, stride=stride, padding=padding, groups=groups):
            sides = {"kernel_shape": weight.shape[2:], "strides": (stride,) * 2, "pads": (padding,) * 4}
            return {**sides, "group": groups}
        case DepthToSpace():
            return {"blocksize": 2, "mode": "CRD"}
    return {}


def _attribute(name: str, value: Attribute) -> bytes:
    match value:
        case int():
            return _message((1, name), (3, value), (20, _INT_ATTRIBUTE))
        case str():
            return _message((1, name), (4, value), (20, _TEXT_ATTRIBUTE))
    return _message((1, name), *((8, each) for each in value), (20, _INTS_ATTRIBUTE))


def _tensor(name: str, values: np.ndarray) -> bytes:
    raw = values.astype("<f4").tobytes()
    return _message(*((1, size) for size in values.shape), (2, _FLOAT), (8, name), (9, raw))


def _value(name: str, shape: Sequence[int]) -> bytes:
    sizes = _message(*((1, _message((1, size))) for size in shape))
    return _message((1, name), (2, _message((1, _message((1, _FLOAT), (2, sizes))))))


def _message(*fields: tuple[int, Field]) -> bytes:
    """Numbered fields: integers, texts, and bytes or messages."""
    parts = []
    for number, value in fields:
        if isinstance(value, int):
            parts += [_varint(number << 3 | _VARINT), _varint(value)]
        else:
            content = value.encode("ascii") if isinstance(value, str) else value
            parts += [_varint(number << 3 | _BYTES), _varint(len(content)), content]
    return b"".join(parts)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have the highest bit set."""
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return struct.pack(f"{len(parts) + 1}B", *parts, value)
