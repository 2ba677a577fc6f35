"""Outlying channels are divided, and the network stays the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from compile.ethos_u import quantisation
from compile.ethos_u.calibration import Calibration, Inputs, calibrate, convolution_of
from compile.ethos_u.equalisation import OUTLIER, equalised
from compile.ethos_u.integer_graph import Precision
from compile.ethos_u.partition import npu_functions, partition
from compile.ethos_u.quantisation import quantise
from compile.network_graph import Add, Clip, Image, Node
from compile.relax_import import to_relax, to_tensors
from denoiser.network import INPUT_CHANNELS, FeatureAlignNetwork, ResidualBlock
from tests.compile.ethos_u.conftest import SIZE, Partitioned
from tests.compile.ethos_u.integers import executed as executed_integers
from tests.compile.graphs import convolved, executed, relu
from tests.compile.small_networks import FOUR_SCALES, random_network

LOUD = 3
"""The channel of the finest residual stream, and of one hidden layer, that is far larger than the others."""
LOUDER_BY = 64.0


def as_loud() -> FeatureAlignNetwork:
    """The function of `random_network`, with LOUD channels."""
    network = random_network(FOUR_SCALES)
    (encoder,), (decoder,) = network.encoder[0], network.decoder[0]
    assert isinstance(encoder, ResidualBlock)
    assert isinstance(decoder, ResidualBlock)
    channel, shuffled = slice(LOUD, LOUD + 1), slice(4 * LOUD, 4 * LOUD + 4)
    stream = [
        network.stem,
        encoder.narrow,
        decoder.narrow,
        network.encoder_align[0].beta,
        network.decoder_align[0].beta,
    ]
    for layer, rows in [*((each, channel) for each in stream), (network.up[0], shuffled), (decoder.widen, channel)]:
        layer.weight[rows] *= LOUDER_BY
        layer.bias[rows] *= LOUDER_BY
    for layer in (encoder.depthwise, decoder.depthwise):
        layer.weight[channel] /= LOUDER_BY
    for layer in (network.down[0], network.head, decoder.narrow):
        layer.weight[:, channel] /= LOUDER_BY
    return network


@pytest.fixture(scope="module")
def loud(images: Callable[[int], tuple[np.ndarray, ...]]) -> Partitioned:
    network = as_loud()
    return Partitioned(network, partition(to_relax(network, INPUT_CHANNELS, SIZE)), images(3))


@pytest.fixture(scope="module")
def found(loud: Partitioned) -> Calibration:
    return calibrate(loud.module, loud.images)


def tensors_of(partitioned: Partitioned) -> tuple[Node, ...]:
    (function,) = npu_functions(partitioned.module)
    return to_tensors(function)


def test_nothing_changes_in_float(loud: Partitioned, found: Calibration) -> None:
    tensors = tensors_of(loud)
    scaled, _ = equalised(tensors, found)
    image = loud.images[0][0]
    assert (executed(scaled[-1], image) == executed(tensors[-1], image)).all()


def test_loud_channels_come_down(loud: Partitioned, found: Calibration) -> None:
    tensors = tensors_of(loud)
    _, after = equalised(tensors, found)
    stem = found.tensors[0] / after.tensors[0]
    assert stem[LOUD] in (8, 16, 32)
    for tensor, before, divided in zip(tensors, found.tensors, after.tensors, strict=True):
        factors = before[before > 0] / divided[before > 0]
        assert set(np.log2(factors)) <= set(range(8))
        if isinstance(tensor, Add) and tensor.shape[0] == len(stem):
            assert (factors == stem).all()
            assert divided.max() <= 2 * OUTLIER * np.median(divided)


def test_what_has_a_meaning_of_its_own_is_left(loud: Partitioned, found: Calibration) -> None:
    tensors = tensors_of(loud)
    scaled, after = equalised(tensors, found)
    assert after.image == found.image
    for before, tensor, was, largest in zip(tensors, scaled, found.tensors, after.tensors, strict=True):
        if isinstance(tensor, Clip) or tensor is scaled[-1]:
            assert (was == largest).all()
            assert tensor.shape == before.shape


def test_calibration_is_that_of_the_scaled_network(loud: Partitioned, found: Calibration) -> None:
    scaled, after = equalised(tensors_of(loud), found)
    for tensor, largest, inputs in zip(scaled, after.tensors, after.inputs, strict=True):
        values = [executed(tensor, image[0]) for image in loud.images]
        assert largest == pytest.approx(np.max([np.abs(value).max((1, 2)) for value in values], axis=0), rel=1e-4)
        layer = convolution_of(tensor)
        if layer is not None and inputs is not None and layer.groups == 1 and layer.weight.shape[2:] == (1, 1):
            seen = [executed(layer.source, image[0]).reshape(len(inputs.mean[0]), -1) for image in loud.images]
            # Each image weighs by what it was before: about alike, for noise.
            assert np.diag(inputs.covariance[0]) == pytest.approx(np.concatenate(seen, 1).var(1), rel=0.1, abs=1e-9)


def test_a_network_without_loud_channels_is_left_as_it_is() -> None:
    weight = np.random.default_rng(2).normal(0, 1, (4, 3, 3, 3)).astype(np.float32)
    first = relu(convolved(Image((3, 8, 8)), weight, padding=1))
    tensors = (first, convolved(first, weight[:, :1].repeat(4, 1), padding=1))
    inputs = tuple(Inputs(np.zeros((1, count)), np.eye(count)[None]) for count in (27, 36))
    calibration = Calibration(1.0, (np.array([1.0, 2.0, 3.0, 0.0]), np.array([1.0, 1.0, 1.0, 1e3])), inputs)
    scaled, after = equalised(tensors, calibration)
    for tensor, before in zip(scaled, tensors, strict=True):
        found, was = convolution_of(tensor), convolution_of(before)
        assert found is not None
        assert was is not None
        assert (found.weight == was.weight).all()
    for one, other in zip(after.tensors, calibration.tensors, strict=True):
        assert (one == other).all()


def test_integers_come_closer(loud: Partitioned, found: Calibration, monkeypatch: pytest.MonkeyPatch) -> None:
    def error() -> float:
        network = quantise(tensors_of(loud), found, Precision.A16W8)
        image = loud.images[0]
        answer = executed_integers(network, np.rint(image[0] / network.image.step)) * network.output.step
        return float((answer - loud.expected(image)[0]).std())

    with_it = error()
    monkeypatch.setattr(quantisation, "equalised", lambda *given: given)
    assert with_it < error()
