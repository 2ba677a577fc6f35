"""What calibration sees is what the network computes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from compile.ethos_u import calibration
from compile.ethos_u.calibration import Calibration, Observer, calibrate, convolution_of, images
from compile.ethos_u.integer_graph import Precision
from compile.ethos_u.partition import npu_functions
from compile.ethos_u.quantisation import quantise
from compile.network_graph import Convolution, Image
from compile.relax_import import to_tensors
from tests.compile.ethos_u.conftest import SIZE, Partitioned
from tests.compile.graphs import executed


@pytest.fixture
def compiled_once(observer: Observer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "Observer", lambda _module: observer)


def test_the_last_tensor_is_the_networks_output(partitioned: Partitioned, observer: Observer) -> None:
    image = partitioned.images[0]
    *_, output = observer.tensors(image)
    assert np.abs(output - partitioned.expected(image)).max() < 1e-5


def test_every_tensor_is_that_of_its_composite(partitioned: Partitioned, observer: Observer) -> None:
    (function,) = npu_functions(partitioned.module)
    image = partitioned.images[0]
    for node, seen in zip(to_tensors(function), observer.tensors(image), strict=True):
        assert np.abs(executed(node, image[0]) - seen[0]).max() < 1e-4


def test_limits_are_the_largest_magnitudes_of_all_images(partitioned: Partitioned, calibrated: Calibration) -> None:
    found = calibrated
    assert found.image == max(np.abs(image).max() for image in partitioned.images)
    largest = np.max([np.abs(partitioned.expected(image)).max((0, 2, 3)) for image in partitioned.images], axis=0)
    assert found.tensors[-1] == pytest.approx(largest, rel=1e-5)


def test_the_inputs_of_a_convolution_tell_the_mean_and_spread_of_its_sums(
    partitioned: Partitioned, compiled_once: None
) -> None:
    """A layer's output, without activation, has the mean w m + b and the variance w C w."""
    (function,) = npu_functions(partitioned.module)
    image = partitioned.images[0]
    found = calibrate(partitioned.module, [image])
    kinds = set()
    for node, inputs in zip(to_tensors(function), found.inputs, strict=True):
        layer = convolution_of(node)
        assert (layer is None) == (inputs is None)
        if layer is None or inputs is None:
            continue
        sums = executed(layer, image[0]).reshape(len(layer.weight), -1)
        weights = layer.weight.reshape(layer.groups, -1, inputs.mean.shape[1]).astype(np.float64)
        means = np.einsum("goi,gi->go", weights, inputs.mean).reshape(-1) + layer.bias
        variances = np.einsum("goi,gij,goj->go", weights, inputs.covariance, weights).reshape(-1)
        assert means == pytest.approx(sums.mean(1), rel=1e-3, abs=1e-3)
        assert variances == pytest.approx(sums.var(1), rel=1e-3, abs=1e-3)
        kinds.add((layer.groups > 1, layer.stride, isinstance(layer.source, Image)))
    assert {kind[0] for kind in kinds} == {True, False}
    assert {kind[1] for kind in kinds} == {1, 2}


def test_bright_images_count_as_much_as_dark_ones(partitioned: Partitioned, compiled_once: None) -> None:
    """Of the first layer, which sees the image itself, the inputs are the same if one image is a hundred times as
    bright but for what it weighs."""
    dark = partitioned.images[0]
    both = calibrate(partitioned.module, [dark, 100 * dark]).inputs[0]
    assert both is not None
    alone = calibrate(partitioned.module, [dark]).inputs[0]
    assert alone is not None
    second = both.covariance + both.mean[:, :, None] * both.mean[:, None, :]
    of_one = alone.covariance + alone.mean[:, :, None] * alone.mean[:, None, :]
    # (1 / e * e + 1 / (1e4 e) * 1e4 e) / (1 / e + 1 / (1e4 e)), twice the second moment of the dark one in all.
    assert np.abs(second / (2 * of_one / 1.0001) - 1).max() < 1e-3


def test_inputs_that_never_vary_have_no_covariance_below_zero(partitioned: Partitioned, compiled_once: None) -> None:
    """The plane that tells the noise, where all images have the same; GPTQ wants the root of a covariance."""
    image = np.empty((1, 5, SIZE, SIZE), np.float32)
    image[0] = np.array([0.1, 0.18278971, 0.3, 0.7, -0.61], np.float32)[:, None, None]
    (function,) = npu_functions(partitioned.module)
    found = calibrate(partitioned.module, [image, image])
    for inputs in found.inputs:
        if inputs is not None:
            spread = np.trace(inputs.covariance, axis1=1, axis2=2)
            assert (np.linalg.eigvalsh(inputs.covariance) >= -1e-6 * spread[:, None]).all()
    network = quantise(to_tensors(function), found, Precision.A16W8)
    assert len(network.ordered()) == len(found.tensors) + 1


def test_images_cover_the_range_and_are_drawn_the_same_each_time() -> None:
    first, *_, last = images((1e-4, 1e-2))
    assert first.shape == last.shape == (1, 5, 64, 64)
    assert first[0, 4, 0, 0] == pytest.approx(0.5 * np.log10(1e-4) + 1.5)
    assert last[0, 4, 0, 0] == pytest.approx(0.5 * np.log10(1e-2) + 1.5)
    assert (next(images((1e-4, 1e-2))) == first).all()


def test_a_convolution_is_found_behind_its_activation() -> None:
    image = Image((1, 2, 2))
    layer = Convolution((1, 2, 2), image, np.ones((1, 1, 1, 1), np.float32), np.zeros(1, np.float32), 1, 0, 1)
    assert convolution_of(layer) is layer
    assert convolution_of(image) is None
    assert convolution_of(replace(layer)) is not layer
