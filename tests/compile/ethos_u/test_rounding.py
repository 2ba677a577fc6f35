"""GPTQ: weights rounded so that outputs change least."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compile.ethos_u.rounding import rounded


def error(change: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Mean square change of each output."""
    return np.einsum("oi,ij,oj->o", change, covariance, change)


def drawn(seed: int, outputs: int, inputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights, and the covariance of inputs that are much alike."""
    generator = np.random.default_rng(seed)
    samples = generator.normal(0, 1, (500, 1)) + generator.normal(0, 0.1, (500, inputs))
    return generator.normal(0, 1, (outputs, inputs)), np.cov(samples.T)


def test_inputs_that_have_nothing_in_common_are_rounded_one_by_one() -> None:
    weights = np.random.default_rng(0).uniform(-1, 1, (7, 9))
    steps = np.full(7, 0.1)
    assert (rounded(weights, steps, np.eye(9), 127) == np.rint(weights / 0.1)).all()


def test_two_equal_inputs_keep_their_sum() -> None:
    weights = np.array([[0.4, 0.4]])
    assert rounded(weights, np.ones(1), np.ones((2, 2)), 127).sum() == 1
    assert np.rint(weights).sum() == 0


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(2, 20))
def test_inputs_that_are_alike_change_their_outputs_less(seed: int, outputs: int, inputs: int) -> None:
    weights, covariance = drawn(seed, outputs, inputs)
    steps = np.full(outputs, 0.5)
    found = rounded(weights, steps, covariance, 127) * 0.5 - weights
    nearest = np.rint(weights / 0.5) * 0.5 - weights
    assert error(found, covariance).sum() <= error(nearest, covariance).sum() * 1.2 + 0.05


def test_alike_inputs_gain_much() -> None:
    weights, covariance = drawn(5, 16, 45)
    steps = np.abs(weights).max(1) / 15
    found = rounded(weights, steps, covariance, 127) * steps[:, None] - weights
    nearest = np.rint(weights / steps[:, None]) * steps[:, None] - weights
    assert error(found, covariance).sum() < 0.1 * error(nearest, covariance).sum()


def test_integers_stay_within_their_bounds() -> None:
    weights, covariance = drawn(1, 3, 10)
    assert np.abs(rounded(weights, np.full(3, 0.01), covariance, 7)).max() == 7


def test_an_input_that_never_varies_is_rounded_to_the_nearest() -> None:
    covariance = np.diag([1.0, 0.0, 1.0])
    assert (rounded(np.array([[0.6, 0.6, -0.6]]), np.ones(1), covariance, 127) == [[1, 1, -1]]).all()
    assert (rounded(np.array([[0.6, 0.2]]), np.ones(1), np.zeros((2, 2)), 127) == [[1, 0]]).all()
