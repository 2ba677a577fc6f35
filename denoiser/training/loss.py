"""The training loss of a denoised mosaic.

Three terms, each in units of the noise, so that clean and noisy captures weigh alike:

- the absolute error over the noise at the pixel, so that dark areas count as they are seen;
- each crop's root mean square error over the noise at white: what PSNR sees;
- the squared mean error of dark areas over the batch: absolute error alone lifts them, for it pulls
  what is uncertain towards the surroundings, and those are brighter. Only what is common to the
  batch counts, so that the term corrects the tendency and not each crop's chance; noisy captures
  count more, for the lift grows faster than the noise.
"""

from __future__ import annotations

from torch import Tensor

from denoiser.training.noise_synthesis import NoisyBatch

DARK_BIAS_WEIGHT = 7.0
DARK_LEVEL = 0.02
DARK_BIAS_SHOT = 4e-3
"""Shot noise at which a capture's dark bias counts twice."""
DARK_PIXELS_AT_LEAST = 64.0
SMALLEST_SQUARE = 1e-9
"""Keeps the root's gradient finite where there is no error."""


def denoising_loss(output: Tensor, batch: NoisyBatch) -> Tensor:
    """Scalar loss of `output`, float32 [N, 4, H, W] in the domain of `batch.clean`."""
    error = output - batch.clean
    in_sigmas = error / (batch.shot * batch.clean + batch.read).sqrt()
    seen = in_sigmas.abs().mean()
    plain = ((error.square() / batch.shot).mean((1, 2, 3)) + SMALLEST_SQUARE).sqrt().mean()
    dark = (batch.clean < DARK_LEVEL).to(error.dtype)
    dark_bias = (in_sigmas * dark).sum((1, 2, 3)) / (dark.sum((1, 2, 3)) + DARK_PIXELS_AT_LEAST)
    emphasis = 1 + batch.shot.mean((1, 2, 3)) / DARK_BIAS_SHOT
    return seen + plain + DARK_BIAS_WEIGHT * (emphasis * dark_bias).mean().square()
