"""Graphs to compile: one operator at a time, and all that the denoiser has in one small network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.compile.ethos_u.simulator.tosa_graph import Op, Tensor, TosaGraph

Build = Callable[[TosaGraph], tuple[Tensor, ...]]

NO_PADDING = (0, 0, 0, 0)


def _one(build: Callable[[TosaGraph, Tensor], Tensor], *shape: int) -> Build:
    return lambda graph: (build(graph, graph.input(1, *shape)),)


def _two(build: Callable[[TosaGraph, Tensor, Tensor], Tensor]) -> Build:
    """Of two feature maps that an accelerator has made: layouts inside are for the compiler to choose."""

    def made(graph: TosaGraph) -> tuple[Tensor, ...]:
        x = graph.input(1, 16, 12, 24)
        return (build(graph, graph.conv(x, 24, (1, 1)), graph.depthwise(x)),)

    return made


def _product(graph: TosaGraph, a: Tensor, b: Tensor) -> Tensor:
    return graph.mul(a, b, 0.7 * _half(graph))


def _half(graph: TosaGraph) -> float:
    """What makes of the product of the type's largest values about that value."""
    return 1.0 / (1 + np.iinfo(graph.dtype).max)


def _different_scales(graph: TosaGraph, a: Tensor, b: Tensor) -> Tensor:
    """As the accelerator has it: the larger scale a power of two, with headroom for the smaller."""
    top = 2.0**14 if graph.dtype == "int16" else 2.0**19
    return graph.add(a, b, (top, 0.3 * top, 0.9 / top))


def _different_scales_reversed(graph: TosaGraph, a: Tensor, b: Tensor) -> Tensor:
    top = 2.0**14 if graph.dtype == "int16" else 2.0**19
    return graph.add(a, b, (0.3 * top, top, 0.9 / top))


def _minus_pixel(graph: TosaGraph, a: Tensor, b: Tensor) -> Tensor:
    return graph.add(a, graph.slice(b, (0, 5, 5, 0), (1, 1, 1, 24)), op=Op.SUB)


def _pixel_minus(graph: TosaGraph, a: Tensor, b: Tensor) -> Tensor:
    return graph.add(graph.slice(b, (0, 5, 5, 0), (1, 1, 1, 24)), a, op=Op.SUB)


def _number_minus(graph: TosaGraph, a: Tensor, _b: Tensor) -> Tensor:
    return graph.add(graph.constant([[[[90]]]], a.dtype), a, op=Op.SUB)


def _shuffled(graph: TosaGraph, a: Tensor, _b: Tensor) -> Tensor:
    n, height, width, channels = a.shape
    split = graph.transpose(graph.reshape(a, height, width, channels // 4, 2, 2), 0, 3, 1, 4, 2)
    return graph.reshape(split, n, 2 * height, 2 * width, channels // 4)


def _unshuffled(graph: TosaGraph, a: Tensor, _b: Tensor) -> Tensor:
    n, height, width, channels = a.shape
    split = graph.transpose(graph.reshape(a, height // 2, 2, width // 2, 2, channels), 0, 2, 4, 1, 3)
    return graph.reshape(split, n, height // 2, width // 2, 4 * channels)


def _interleaved_rows(graph: TosaGraph, a: Tensor, b: Tensor) -> Tensor:
    n, height, width, channels = a.shape
    rows = [graph.reshape(x, n, height, 1, width * channels) for x in (a, b)]
    return graph.reshape(graph.concat(*rows, axis=2), n, 2 * height, width, channels)


OPERATORS: dict[str, Build] = {
    "3x3 from few channels": _one(lambda g, x: g.conv(x, 24), 16, 16, 5),
    "3x3 to an odd number": _one(lambda g, x: g.conv(x, 33), 9, 11, 40),
    "dilated 3x5, odd size": _one(lambda g, x: g.conv(x, 20, (3, 5), dilation=2), 17, 19, 40),
    "9x9": _one(lambda g, x: g.conv(x, 9, (9, 9)), 16, 16, 7),
    "2x2, stride 2": _one(lambda g, x: g.conv(x, 40, (2, 2), 2, padding=NO_PADDING), 16, 16, 24),
    "3x3, stride 3": _one(lambda g, x: g.conv(x, 8, (3, 3), 3, padding=NO_PADDING), 18, 18, 24),
    "1x1": _one(lambda g, x: g.conv(x, 48, (1, 1)), 16, 16, 24),
    "1x1 of 100 channels": _one(lambda g, x: g.conv(x, 130, (1, 1)), 6, 7, 100),
    "sparse weights": _one(lambda g, x: g.conv(x, 24, density=0.2), 16, 16, 24),
    "one channel to one": _one(lambda g, x: g.conv(x, 1), 16, 16, 1),
    "depthwise 3x3": _one(lambda g, x: g.depthwise(x), 16, 16, 24),
    "depthwise 5x5": _one(lambda g, x: g.depthwise(x, (5, 5)), 16, 16, 37),
    "depthwise 2x2, stride 2": _one(lambda g, x: g.depthwise(x, (2, 2), 2, padding=NO_PADDING), 16, 16, 5),
    "dilated depthwise 3x3": _one(lambda g, x: g.depthwise(x, dilation=2), 16, 16, 20),
    "add, equal scales": _two(lambda g, a, b: g.add(a, b)),
    "add, halved": _two(lambda g, a, b: g.add(a, b, (1, 1, 0.5))),
    "add, different scales": _two(_different_scales),
    "add, different scales, reversed": _two(_different_scales_reversed),
    "add, by way of 32 bits": _two(lambda g, a, b: g.add(a, b, (0.3, 0.9, 1))),
    "subtract": _two(lambda g, a, b: g.add(a, b, op=Op.SUB)),
    "subtract a pixel": _two(_minus_pixel),
    "subtract from a pixel": _two(_pixel_minus),
    "subtract from a number": _two(_number_minus),
    "multiply": _two(_product),
    "multiply by a channel": _two(lambda g, a, b: _product(g, a, g.slice(b, (0, 0, 0, 3), (1, 16, 12, 1)))),
    "multiply by a pixel": _two(lambda g, a, b: _product(g, a, g.slice(b, (0, 5, 5, 0), (1, 1, 1, 24)))),
    "larger": _two(lambda g, a, b: g.larger(a, b)),
    "smaller": _two(lambda g, a, b: g.smaller(a, b)),
    "absolute": _two(lambda g, a, b: g.absolute(a)),
    "sum of channels": _two(lambda g, a, b: g.sum_of_channels(a, 0.2)),
    "clamp": _two(lambda g, a, b: g.add(g.clamp(a, 0, 100), g.clamp(b, -50, 30))),
    "concatenate": _two(lambda g, a, b: g.concat(a, b)),
    "concatenate rows": _two(lambda g, a, b: g.concat(a, b, axis=1)),
    "interleave rows": _two(_interleaved_rows),
    "nearest": _two(lambda g, a, b: g.upscale(a)),
    "nearest, then 3x3": _two(lambda g, a, b: g.conv(g.upscale(a), 16)),
    "largest of 2x2": _two(lambda g, a, b: g.max_pool(a, 2, 2)),
    "mean of 2x2": _two(lambda g, a, b: g.average_pool(a, 2, 2)),
    "mean of 3x3": _two(lambda g, a, b: g.average_pool(a, 3, 1)),
    "rows reversed": _two(lambda g, a, b: g.reverse(a, 1)),
    "columns reversed": _two(lambda g, a, b: g.reverse(a, 2)),
    "pad": _two(lambda g, a, b: g.pad(a, 0, 0, 1, 2, 3, 1, 0, 0)),
    "pad channels": _two(lambda g, a, b: g.pad(a, 0, 0, 0, 0, 0, 0, 1, 2)),
    "slice": _two(lambda g, a, b: g.slice(a, (0, 2, 3, 4), (1, 7, 8, 9))),
    "NHWC to NCHW": _two(lambda g, a, b: g.transpose(a, 0, 3, 1, 2)),
    "rows to columns": _two(lambda g, a, b: g.transpose(a, 0, 2, 1, 3)),
    "reshape": _two(lambda g, a, b: g.reshape(a, 1, 32, 6, 24)),
    "pixel shuffle": _two(_shuffled),
    "space to depth": _two(_unshuffled),
    "larger zero point": _two(lambda g, a, b: g.conv(g.rescale(a, 0.5, a.dtype), 8)),
}

ONLY_INT8: dict[str, Build] = {
    "asymmetric 3x3": _one(lambda g, x: g.conv(x, 24, zero_point=-17), 16, 16, 20),
    "asymmetric depthwise": _one(lambda g, x: g.depthwise(x, zero_point=90), 16, 16, 20),
    "asymmetric rescaling": _one(lambda g, x: g.rescale(x, 0.37, "int8", (-20, 33)), 16, 16, 20),
    "transposed 2x2": _two(lambda g, a, b: g.transpose_conv(a, 12)),
}
"""What TOSA allows only there, or Vela compiles only there."""


def chain(graph: TosaGraph) -> tuple[Tensor, ...]:
    """Layer after layer that sees rows above and below: in stripes, its buffers wrap around within a kernel."""
    x = graph.input(1, 24, 24, 16)
    x = graph.conv(graph.depthwise(graph.conv(x, 24)), 32, (1, 1))
    x = graph.depthwise(x, (5, 5))
    return (graph.conv(graph.conv(x, 32), 8, (2, 2), 2, padding=NO_PADDING),)


def feature_align(graph: TosaGraph, size: int = 16, widths: tuple[int, int] = (8, 12)) -> tuple[Tensor, ...]:
    """Two scales of the denoiser's network, with every operator it has."""
    limit = int(np.iinfo(graph.dtype).max)

    def relu(x: Tensor) -> Tensor:
        return graph.clamp(x, 0, limit)

    def block(x: Tensor) -> Tensor:
        hidden = relu(graph.conv(graph.depthwise(x, gain=0.5), 2 * x.shape[3], (1, 1)))
        return graph.add(x, graph.conv(hidden, x.shape[3], (1, 1), gain=0.5))

    def align(x: Tensor, image: Tensor) -> Tensor:
        hidden = relu(graph.conv(image, 8, (1, 1)))
        gamma = graph.clamp(graph.conv(hidden, x.shape[3], (1, 1)), 0, limit)
        return graph.add(graph.mul(x, gamma, _half(graph)), graph.conv(hidden, x.shape[3], (1, 1), gain=0.3))

    image = graph.input(1, size, size, 5)
    fine = align(block(graph.conv(image, widths[0])), image)
    small_image = graph.depthwise(image, (2, 2), 2, padding=NO_PADDING)
    coarse = align(block(graph.conv(fine, widths[1], (2, 2), 2, padding=NO_PADDING)), small_image)
    rows = [graph.reshape(graph.conv(coarse, 2 * widths[0], (1, 1)), 1, size // 2, 1, size * widths[0]) for _ in "01"]
    up = graph.reshape(graph.concat(*rows, axis=2), 1, size, size, widths[0])
    decoded = align(block(graph.add(up, fine)), image)
    return (graph.conv(graph.concat(decoded, fine), 4),)
