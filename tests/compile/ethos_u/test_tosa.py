"""Graphs of TOSA against the integers that they are written from, in Arm's reference model."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tosa_reference_model", reason="tosa-tools are not installed: pip install 'fan-isp[npu]'")

from compile.ethos_u import reference_model, tosa
from compile.ethos_u.calibration import Calibration
from compile.ethos_u.integer_graph import (
    Add,
    Convolution,
    DepthToSpace,
    Image,
    IntegerNetwork,
    Multiply,
    Precision,
    Scale,
    Tensor,
)
from compile.ethos_u.partition import npu_functions
from compile.ethos_u.quantisation import as_scale, quantise
from compile.ethos_u.tosa import Layout
from compile.relax_import import to_tensors
from targets.toolchain import ToolchainError
from tests.compile.ethos_u.conftest import Partitioned
from tests.compile.ethos_u.integers import executed

HEIGHT, WIDTH = 8, 12


def convolution(
    source: Tensor, channels: int, precision: Precision, *, kernel: int = 1, stride: int = 1, groups: int = 1,
    bounds: tuple[float, float] = (-math.inf, math.inf), seed: int = 0,
) -> Convolution:  # fmt: skip
    """Weights, biases and scales all over; about a tenth of the outputs saturate. bounds: relative to the largest."""
    generator = np.random.default_rng(seed)
    inputs = source.channels // groups
    weight = generator.integers(-127, 128, (channels, inputs, kernel, kernel)).astype(np.int8)
    spread = precision.largest * 60 * (inputs * kernel**2) ** 0.5
    low, high = (round(min(max(bound * precision.largest, precision.lowest), precision.largest)) for bound in bounds)
    bits = 15 if precision is Precision.A16W8 else 31
    scales = tuple(as_scale(precision.largest / spread * size, bits) for size in generator.uniform(0.5, 2, channels))
    bias = generator.integers(-spread, spread, channels)
    padding = kernel // 2 if stride == 1 else 0
    return Convolution(channels, 1.0, source, weight, bias, scales, stride, padding, groups, low, high)


def drawn(image: Image, precision: Precision) -> np.ndarray:
    """Integers of the whole range, its ends among them."""
    largest = precision.largest
    values = np.random.default_rng(9).integers(-largest, largest + 1, (image.channels, HEIGHT, WIDTH))
    values[0, 0, :3] = largest, -largest, 0
    return values.astype(precision.activation)


def check(network: IntegerNetwork, layout: Layout = Layout.NHWC) -> np.ndarray:
    image = drawn(network.image, network.precision)
    expected = executed(network, image)
    graph = tosa.write(network, HEIGHT, WIDTH, layout)
    order, back = ((1, 2, 0), (2, 0, 1)) if layout is Layout.NHWC else ((0, 1, 2), (0, 1, 2))
    given = np.ascontiguousarray(image.transpose(order)[None])
    shape = (1, *(expected.shape[axis] for axis in order))
    found = reference_model.run(graph, given, shape)[0].transpose(back)
    assert (found == expected).all()
    return expected


@pytest.fixture(params=list(Precision))
def precision(request: pytest.FixtureRequest) -> Precision:
    return request.param


@pytest.mark.parametrize(
    "options",
    [
        {"channels": 6},
        {"channels": 7, "kernel": 3},
        {"channels": 5, "kernel": 3, "groups": 5},
        {"channels": 5, "kernel": 2, "stride": 2, "groups": 5},
        {"channels": 9, "kernel": 2, "stride": 2},
        {"channels": 1, "kernel": 3},
        {"channels": 6, "bounds": (0.0, 1.0)},
        {"channels": 6, "bounds": (-0.4, 0.8)},
    ],
)
def test_a_convolution(options: dict[str, object], precision: Precision) -> None:
    image = Image(5, 1.0)
    output = check(IntegerNetwork(precision, image, convolution(image, precision=precision, **options)))
    assert len(np.unique(output)) > 20


def test_a_sum(precision: Precision) -> None:
    image = Image(4, 1.0)
    one, other = (convolution(image, 6, precision, seed=seed) for seed in (1, 2))
    check(IntegerNetwork(precision, image, Add(6, 1.0, one, other, as_scale(0.43, 31))))


def test_a_sum_that_saturates(precision: Precision) -> None:
    image = Image(4, 1.0)
    output = check(IntegerNetwork(precision, image, Add(4, 1.0, image, image, as_scale(1.0, 31))))
    assert output.max() == precision.largest


def test_a_product(precision: Precision) -> None:
    image = Image(4, 1.0)
    one, other = (convolution(image, 6, precision, seed=seed) for seed in (1, 2))
    check(IntegerNetwork(precision, image, Multiply(6, 1.0, one, other, as_scale(1.3 / precision.largest, 31))))


def test_depth_to_space(precision: Precision) -> None:
    image = Image(4, 1.0)
    packed = convolution(image, 12, precision)
    output = check(IntegerNetwork(precision, image, DepthToSpace(3, 1.0, packed)))
    assert output.shape == (3, 2 * HEIGHT, 2 * WIDTH)


def test_channels_first_at_the_border(precision: Precision) -> None:
    image = Image(5, 1.0)
    check(IntegerNetwork(precision, image, convolution(image, 3, precision, kernel=3)), Layout.NCHW)


def test_biases_of_more_than_32_bits() -> None:
    image = Image(4, 1.0)
    layer = convolution(image, 3, Precision.A16W8)
    layer = replace(
        layer, bias=np.array([2**36, -(2**37), 12345]), scales=(Scale(2**14, 37), Scale(2**14, 38), Scale(2**14, 30))
    )
    assert np.abs(check(IntegerNetwork(Precision.A16W8, image, layer))).max() > 5000


@pytest.mark.parametrize("layout", list(Layout))
def test_a_whole_network(
    partitioned: Partitioned, calibrated: Calibration, precision: Precision, layout: Layout
) -> None:
    (function,) = npu_functions(partitioned.module)
    tensors = to_tensors(function)
    network = quantise(tensors, calibrated, precision)
    image = np.random.default_rng(1).integers(-2000, 2000, (5, 16, 24)).clip(-precision.largest, precision.largest)
    image = image.astype(precision.activation)
    graph = tosa.write(network, 16, 24, layout)
    order, back = ((1, 2, 0), (2, 0, 1)) if layout is Layout.NHWC else ((0, 1, 2), (0, 1, 2))
    expected = executed(network, image)
    shape = (1, *(expected.shape[axis] for axis in order))
    found = reference_model.run(graph, np.ascontiguousarray(image.transpose(order)[None]), shape)
    assert (found[0].transpose(back) == expected).all()
    assert len(np.unique(expected)) > 50


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(ToolchainError, match="the TOSA reference model ended with"):
        reference_model.run(b"nothing", np.zeros((1, 2, 2, 1), np.int16), (1, 2, 2, 1))
