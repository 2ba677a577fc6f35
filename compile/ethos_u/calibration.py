"""What values the tensors of a partition take: the partition itself, run by TVM on noisy mosaics.

The mosaics are drawn unless there are photographs (`photographs`): panels of the sample capture before a simulated
sensor, from the cleanest to the noisiest level of the network's range, as in golden tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import tvm
from tvm import relax

from compile.ethos_u.border import seen
from compile.ethos_u.partition import npu_functions
from compile.golden_scenes import CLOTH, GRASS, STAR, Scene, within
from compile.network_graph import Add, Clip, Convolution, DepthToSpace, Image, Multiply, Node, Relu
from compile.relax_import import to_tensors
from isp.sample import panels
from isp.sample.colour_chart import colour_chart

TILE_PX = 128
"""Side of a calibration mosaic."""
PACKED = TILE_PX // 2
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Of the network's noise range, by ratio."""
_NO_ENERGY = 1e-9

Images = Callable[[tuple[float, float]], Iterable[np.ndarray]]
"""Makes what a network sees that serves a range of shot noise: float32 [1, 5, PACKED, PACKED] each."""


@dataclass(frozen=True)
class Inputs:
    """What a convolution multiplies its weights with, over all pixels of all images, every image counting alike.

    mean: float64 [groups, inputs of an output]. covariance: float64 [groups, inputs, inputs]. An input is a channel at
    a place of the kernel, as in `weight[output]` row by row.
    """

    mean: np.ndarray
    covariance: np.ndarray


@dataclass(frozen=True)
class Calibration:
    """image: largest magnitude of the network's input. tensors: those of each channel of what the composites give, in
    their order, float64 [C]. inputs: of each composite, None where it is no convolution."""

    image: float
    tensors: tuple[np.ndarray, ...]
    inputs: tuple[Inputs | None, ...]


def images(shot_range: tuple[float, float]) -> Iterator[np.ndarray]:
    """What a network that serves these levels of shot noise sees: float32 [1, 5, PACKED, PACKED]."""
    scenes = [Scene("calibration", TILE_PX, TILE_PX, content, partial(within, share=0)) for content in _CONTENTS]
    for share in SHARES:
        for scene in scenes:
            # Drawn once, exposed at every level.
            shot, read = replace(scene, levels=partial(within, share=share)).noise(shot_range)
            _, noisy = scene.capture(shot, read)
            yield seen(noisy, shot, read)


class Observer:
    """A partition that shows its tensors: compiled for this machine by TVM."""

    def __init__(self, partitioned: tvm.IRModule) -> None:
        (function,) = npu_functions(partitioned)
        module = relax.transform.LambdaLift()(tvm.IRModule({"main": _showing_all(function)}))
        target = tvm.target.Target("llvm")
        built = tvm.compile(module, target, relax_pipeline=relax.get_default_pipeline(target))
        self._machine = relax.VirtualMachine(built, tvm.cpu())

    def tensors(self, image: np.ndarray) -> tuple[np.ndarray, ...]:
        """What the composites give for an image, float32 each, in their order."""
        return tuple(tensor.numpy() for tensor in self._machine["main"](tvm.runtime.tensor(image)))


def calibrate(partitioned: tvm.IRModule, seen_images: Iterable[np.ndarray]) -> Calibration:
    """Runs a partition on images, which have the size that it was imported for."""
    (function,) = npu_functions(partitioned)
    nodes = to_tensors(function)
    observer = Observer(partitioned)
    largest = 0.0
    of_tensors = [np.zeros(node.shape[0]) for node in nodes]
    sums: dict[int, _Sums] = {}
    for image in seen_images:
        values = dict(zip(nodes, (tensor[0] for tensor in observer.tensors(image)), strict=True))
        largest = max(largest, float(np.abs(image).max()))
        for found, value in zip(of_tensors, values.values(), strict=True):
            np.maximum(found, np.abs(value).max((1, 2)), out=found)
        for index, node in enumerate(nodes):
            if (layer := convolution_of(node)) is not None:
                source = image[0] if isinstance(layer.source, Image) else values[layer.source]
                sums.setdefault(index, _Sums()).add(_patches(source, layer))
    inputs = tuple(sums[index].inputs() if index in sums else None for index in range(len(nodes)))
    return Calibration(largest, tuple(of_tensors), inputs)


class _Sums:
    """Adds up the inputs of a convolution; each image's are divided by their mean square.

    Deviations from means are added, not squares that means are taken from: of an input that never varies, as a channel
    that is but its bias, float32 would leave a covariance below zero.
    """

    def __init__(self) -> None:
        self._weights: list[np.ndarray] = []
        self._means: list[np.ndarray] = []
        self._within = np.zeros(())

    def add(self, patches: np.ndarray) -> None:
        """patches: float32 [groups, inputs, pixels]."""
        mean = patches.mean(2, dtype=np.float64)
        deviations = patches - mean.astype(np.float32)[:, :, None]
        covariance = (deviations @ deviations.transpose(0, 2, 1)).astype(np.float64) / patches.shape[2]
        energy = (np.trace(covariance, axis1=1, axis2=2) + np.square(mean).sum(1)) / mean.shape[1]
        weight = 1 / (energy + _NO_ENERGY)
        self._weights.append(weight)
        self._means.append(mean)
        self._within = self._within + covariance * weight[:, None, None]

    def inputs(self) -> Inputs:
        weights, means = np.array(self._weights), np.array(self._means)
        total = weights.sum(0)
        mean = (weights[:, :, None] * means).sum(0) / total[:, None]
        deviations = means - mean
        between = np.einsum("ng,ngi,ngj->gij", weights, deviations, deviations)
        return Inputs(mean, (self._within + between) / total[:, None, None])


def convolution_of(node: Node) -> Convolution | None:
    """The convolution that a composite consists of, with its activation or without; None where it has none."""
    inner = node.source if isinstance(node, Relu | Clip) else node
    return inner if isinstance(inner, Convolution) else None


def image_of(tensors: Sequence[Node]) -> Image:
    """The input that the tensors of a partition are made of."""
    layer = convolution_of(tensors[0])
    found = tensors[0] if layer is None else layer
    while not isinstance(found, Image):
        assert isinstance(found, Convolution | DepthToSpace | Add | Multiply)
        found = found.left if isinstance(found, Add | Multiply) else found.source
    return found


def _patches(source: np.ndarray, layer: Convolution) -> np.ndarray:
    """What each output pixel of a layer sees of its source [C, H, W]: float32 [groups, inputs, pixels]."""
    edge = (layer.padding, layer.padding)
    rows, columns = layer.weight.shape[2:]
    padded = np.pad(source, ((0, 0), edge, edge))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (rows, columns), axis=(1, 2))  # type: ignore[call-overload]
    windows = windows[:, :: layer.stride, :: layer.stride]
    channels, height, width, _, _ = windows.shape
    inputs = channels // layer.groups * rows * columns
    return windows.transpose(0, 3, 4, 1, 2).reshape(layer.groups, inputs, height * width)


def _showing_all(function: relax.Function) -> relax.Function:
    """The same function, but giving the results of all its composites."""
    blocks = function.body.blocks
    calls = [binding.var for block in blocks for binding in block.bindings if isinstance(binding.value, relax.Call)]
    body = relax.SeqExpr(blocks, relax.Tuple(calls))
    shown = relax.Function(function.params, body, relax.TupleType([call.ty for call in calls]))
    return shown.with_attr("global_symbol", "main")


_CONTENTS = (
    ((STAR, colour_chart), (panels.printed_page, panels.stone)),
    ((GRASS, panels.dark_corner), (CLOTH, STAR)),
    ((panels.still_life, panels.dark_corner), (STAR, CLOTH)),
    ((panels.ramps, panels.still_life), (panels.dark_corner, GRASS)),
)
