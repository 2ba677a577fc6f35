"""Rounding a layer's weights so that its outputs change least: GPTQ.

Weights are rounded one input after the other; what rounding changes is made good by the inputs still to come, as far
as the inputs of calibration go together. Against rounding each weight to the nearest integer this matters most where
inputs are much alike, as the neighbouring pixels that the first layer sees.

References
----------
E. Frantar, S. Ashkboos, T. Hoefler, D. Alistarh, "GPTQ: Accurate Post-Training Quantization for Generative
Pre-trained Transformers", ICLR 2023.
"""

from __future__ import annotations

import numpy as np

DAMPING = 1e-4
"""Added to the diagonal, relative to its mean: inputs that never varied must not be relied on."""


def rounded(weights: np.ndarray, steps: np.ndarray, covariance: np.ndarray, largest: int) -> np.ndarray:
    """Integers whose multiples of `steps` stand for the weights: float64 [outputs, inputs].

    weights: float64 [outputs, inputs]. steps: float64 [outputs]. covariance: of the inputs, float64 [inputs, inputs].
    largest: greatest magnitude of an integer.
    """
    inputs = len(covariance)
    damped = covariance + np.eye(inputs) * (DAMPING * np.trace(covariance) / inputs + np.finfo(np.float64).tiny)
    # The inputs that vary most come first, while there is most left to make good with.
    order = np.argsort(-np.diag(damped), kind="stable")
    upper = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T
    left, result = weights[:, order].copy(), np.empty_like(weights)
    for position, column in enumerate(order):
        result[:, column] = np.clip(np.rint(left[:, position] / steps), -largest, largest)
        error = (left[:, position] - result[:, column] * steps) / upper[position, position]
        left[:, position + 1 :] -= np.outer(error, upper[position, position + 1 :])
    return result
