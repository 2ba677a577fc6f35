"""A network as the calls that define it to XNNPACK, for measuring it beside ours: the same operations and weights.

Everything is channels last, as XNNPACK's kernels are. Its depth-to-space has the channel as the faster index, ours as
the slower one: the outputs of the convolution before it change places.

References
----------
XNNPACK, include/xnnpack.h: its subgraphs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.model_layers import Layer, image_of, layers, shape_of
from compile.network_graph import Add, Convolution, DepthToSpace, Image, Multiply, Node
from isp.errors import ConfigError

CALLS: Final = "network.json"
WEIGHTS: Final = "weights.npy"
_INPUT, _OUTPUT = 1, 2
_NO_FLAGS = 0
_DILATION = (1, 1)
_UPSCALING = 2
_PER_CHANNEL = 1

Argument = int | float


def write(answer: Node, height: int, width: int, folder: Path) -> None:
    """Writes the network that ends in `answer` into a folder, for an image of one size.

    CALLS has `values`, tensors of [shape, place in the weights or -1, flags], and `calls`, each the name of one of
    XNNPACK's functions and its arguments after the subgraph; values go by their indices. WEIGHTS has float32.
    """
    model = _Model(answer, height, width)
    content = {"values": model.values, "calls": model.calls}
    (folder / CALLS).write_text(json.dumps(content), encoding="ascii")
    np.save(folder / WEIGHTS, np.concatenate(model.weights))


class _Model:
    """The calls and their tensors, in an order in which each comes after what it reads."""

    def __init__(self, answer: Node, height: int, width: int) -> None:
        self.values: list[tuple[list[int], int, int]] = []
        self.calls: list[tuple[str, list[Argument]]] = []
        self.weights: list[np.ndarray] = []
        self._answer = answer
        self._size = (height, width)
        self._placed = 0
        self._indices: dict[int, int] = {}
        order = layers(answer)
        self._image = image_of(order)
        self._upscaled = {id(layer.sources[0]) for layer in order if isinstance(layer.operation, DepthToSpace)}
        for layer in order:
            self._add(layer)

    def _add(self, layer: Layer) -> None:
        operation, result = layer.operation, self._tensor(layer.result)
        inputs = [self._indices[id(source)] for source in layer.sources]
        limits = (layer.low, layer.high)
        match operation:
            case Image():
                pass
            case Convolution():
                self._convolve(operation, limits, inputs[0], result, upscaled=id(layer.result) in self._upscaled)
            case Add():
                self._call("add2", *limits, *inputs, result)
            case Multiply():
                self._call("multiply2", *limits, *inputs, result)
            case DepthToSpace(source=source):
                if not isinstance(source, Convolution):
                    raise ConfigError("a depth-to-space of what is no convolution", expected="one of a convolution")
                self._call("depth_to_space_2d", _UPSCALING, *inputs, result)
            case _:
                self._call("clamp", *limits, *inputs, result)

    def _convolve(
        self, layer: Convolution, limits: tuple[float, float], source: int, result: int, *, upscaled: bool
    ) -> None:
        weight, bias = layer.weight, layer.bias
        outputs, inputs, *kernel = weight.shape
        if upscaled:
            order = np.arange(outputs).reshape(-1, _UPSCALING**2).T.ravel()
            weight, bias = weight[order], bias[order]
        geometry = (*(layer.padding,) * 4, *kernel, *(layer.stride,) * 2, *_DILATION)
        if layer.groups == 1:
            tensors = (source, self._static(weight.transpose(0, 2, 3, 1)), self._static(bias), result)
            self._call("convolution_2d", *geometry, layer.groups, inputs, outputs, *limits, *tensors)
        elif layer.depthwise:
            tensors = (source, self._static(weight.transpose(1, 2, 3, 0)), self._static(bias), result)
            self._call("depthwise_convolution_2d", *geometry, _PER_CHANNEL, outputs, *limits, *tensors)
        else:
            raise ConfigError(f"a convolution in {layer.groups} groups", expected="1, or as many as channels")

    def _call(self, name: str, *arguments: Argument) -> None:
        self.calls.append((f"xnn_define_{name}", [*arguments, _NO_FLAGS]))

    def _tensor(self, node: Node) -> int:
        channels, height, width = shape_of(node, self._image, *self._size)
        flags = _INPUT * isinstance(node, Image) | _OUTPUT * (node is self._answer)
        self._indices[id(node)] = self._value((1, height, width, channels), -1, flags)
        return self._indices[id(node)]

    def _static(self, values: np.ndarray) -> int:
        index = self._value(values.shape, self._placed, _NO_FLAGS)
        self.weights.append(values.ravel())
        self._placed += values.size
        return index

    def _value(self, shape: Sequence[int], place: int, flags: int) -> int:
        self.values.append((list(shape), place, flags))
        return len(self.values) - 1
