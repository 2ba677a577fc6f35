"""Networks as integers."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compile.ethos_u import integer_graph as integer
from compile.ethos_u.calibration import Calibration, Inputs
from compile.ethos_u.integer_graph import IntegerNetwork, Precision
from compile.ethos_u.partition import npu_functions
from compile.ethos_u.quantisation import HEADROOM, as_scale, quantise
from compile.network_graph import Clip, Image, Node, Relu, UnsupportedOperator
from compile.relax_import import to_tensors
from tests.compile.ethos_u.conftest import Partitioned
from tests.compile.ethos_u.integers import executed
from tests.compile.graphs import add, convolved, multiply, relu

IMAGE = Image((3, 4, 4))
WEIGHT = np.random.default_rng(2).normal(0, 1, (4, 3, 3, 3)).astype(np.float32)


def unvarying(tensors: tuple[Node, ...], limit: float = 4.0) -> Calibration:
    """As if inputs had nothing in common and a mean of zero: every weight goes to its nearest integer."""
    inputs = []
    for tensor in tensors:
        layer = tensor.source if isinstance(tensor, Relu | Clip) else tensor
        weight = getattr(layer, "weight", None)
        if weight is None:
            inputs.append(None)
            continue
        count = weight[0].size
        identity = np.broadcast_to(np.eye(count), (layer.groups, count, count))
        inputs.append(Inputs(np.zeros((layer.groups, count)), identity))
    return Calibration(limit, tuple(np.full(tensor.shape[0], limit) for tensor in tensors), tuple(inputs))


def quantised(*tensors: Node, precision: Precision = Precision.A16W8) -> IntegerNetwork:
    return quantise(tensors, unvarying(tensors), precision)


@given(st.floats(2.0**-30, 2.0**11), st.sampled_from([15, 31]))
def test_a_scale_is_as_close_as_its_bits_allow(factor: float, bits: int) -> None:
    scale = as_scale(factor, bits)
    assert 1 << (bits - 1) <= scale.multiplier < 1 << bits
    assert 2 <= scale.shift <= 62
    exact = Fraction(scale.multiplier, 1 << scale.shift)
    assert abs(exact / Fraction(factor) - 1) <= Fraction(1, 1 << bits)


@pytest.mark.parametrize("factor", [2.0**40, 2.0**-40])
def test_a_factor_that_no_shift_reaches_is_refused(factor: float) -> None:
    with pytest.raises(UnsupportedOperator, match="a rescaling by"):
        as_scale(factor, 31)


@pytest.mark.parametrize("precision", list(Precision))
def test_weights_are_whole_multiples_of_what_the_rescaling_says(precision: Precision) -> None:
    layer = convolved(IMAGE, WEIGHT, padding=1)
    made = quantised(layer, precision=precision).output
    assert isinstance(made, integer.Convolution)
    for channel, scale in enumerate(made.scales):
        step = scale.multiplier / 2**scale.shift * made.step / made.source.step
        assert np.abs(made.weight[channel] * step - WEIGHT[channel]).max() <= step / 2 * (1 + 1e-9)
        assert 126 <= np.abs(made.weight[channel]).max() <= 127


def test_biases_are_in_units_of_the_sums() -> None:
    bias = np.array([1.0, -2.0, 0.0, 1e-3], np.float32)
    made = quantised(convolved(IMAGE, WEIGHT, bias, padding=1)).output
    assert isinstance(made, integer.Convolution)
    for value, units, scale in zip(bias, made.bias, made.scales, strict=True):
        unit = scale.multiplier / 2**scale.shift * made.step
        assert abs(units * unit - value) <= unit / 2


def test_a_channel_without_weights_is_its_bias() -> None:
    weight = WEIGHT.copy()
    weight[1] = 0
    network = quantised(convolved(IMAGE, weight, np.full(4, 0.5, np.float32), padding=1))
    output = executed(network, np.full((3, 4, 4), 1000))
    assert np.abs(output[1] * network.output.step - 0.5).max() < 1e-3


def test_operands_of_a_sum_share_a_step_through_any_chain() -> None:
    one, other, third = (convolved(IMAGE, WEIGHT * size, padding=1) for size in (1, 5, 25))
    first = add(one, other)
    calibration = unvarying(tensors := (one, other, first, third, add(first, third)))
    limits = tuple(np.full(4, limit) for limit in (1.0, 5.0, 6.0, 25.0, 30.0))
    network = quantise(tensors, replace(calibration, tensors=limits), Precision.A16W8)
    outer = network.output
    assert isinstance(outer, integer.Add)
    inner = outer.left
    assert isinstance(inner, integer.Add)
    assert inner.left.step == inner.right.step == 5.0 * HEADROOM / 32767
    assert outer.left.step == outer.right.step == 25.0 * HEADROOM / 32767
    assert outer.step == 30.0 * HEADROOM / 32767


def test_relu_and_bounds_become_bounds_of_the_integers() -> None:
    layer = convolved(IMAGE, WEIGHT, padding=1)
    activated = quantised(relu(layer)).output
    assert isinstance(activated, integer.Convolution)
    assert (activated.low, activated.high) == (0, 32767)
    bounded = quantised(Clip(layer.shape, layer, -0.5, 2.0)).output
    assert isinstance(bounded, integer.Convolution)
    assert bounded.step == 2.0 / 32767
    assert (bounded.low, bounded.high) == (round(-0.5 / 2.0 * 32767), 32767)
    free = quantised(Clip(layer.shape, layer, float("-inf"), float("inf"))).output
    assert isinstance(free, integer.Convolution)
    assert (free.low, free.high) == (-32768, 32767)


def test_a_tensor_of_zeros_has_a_step() -> None:
    layer = convolved(IMAGE, WEIGHT, padding=1)
    calibration = unvarying((layer,))
    assert quantise((layer,), replace(calibration, tensors=(np.zeros(4),)), Precision.A16W8).output.step > 0


def test_the_bias_makes_good_what_rounding_changes_on_average() -> None:
    layer = convolved(IMAGE, WEIGHT, padding=1)
    calibration = unvarying((layer,))
    (inputs,) = calibration.inputs
    assert inputs is not None
    mean = np.full((1, 27), 3.0)
    made = quantise((layer,), replace(calibration, inputs=(Inputs(mean, inputs.covariance),)), Precision.A8W8).output
    assert isinstance(made, integer.Convolution)
    for channel, scale in enumerate(made.scales):
        unit = scale.multiplier / 2**scale.shift * made.step
        changed = (WEIGHT[channel].astype(np.float64) - made.weight[channel] * unit / made.source.step).sum() * 3.0
        assert abs(made.bias[channel] * unit - changed) <= unit


def test_products_have_the_product_of_the_steps() -> None:
    one, other = (convolved(IMAGE, WEIGHT, padding=1) for _ in range(2))
    made = quantised(one, other, multiply(one, other)).output
    assert isinstance(made, integer.Multiply)
    factor = made.scale.multiplier / 2**made.scale.shift
    assert factor == pytest.approx(made.left.step * made.right.step / made.step, rel=1e-8)


def test_a_whole_network_computes_what_the_float_one_does(partitioned: Partitioned, calibrated: Calibration) -> None:
    (function,) = npu_functions(partitioned.module)
    network = quantise(to_tensors(function), calibrated, Precision.A16W8)
    for image in partitioned.images:
        integers = np.rint(image[0] / network.image.step)
        expected = partitioned.expected(image)[0]
        difference = executed(network, integers) * network.output.step - expected
        # Of a random network, whose gammas amplify what rounding changes.
        assert difference.std() < 0.03 * expected.std()
