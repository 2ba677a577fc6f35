"""The training loss of a denoised mosaic.

Four terms, each relative to what the noise level allows, so that clean and noisy captures weigh alike:

- the absolute error over the noise at the pixel;
- each crop's root mean square error over the noise at white: what raw PSNR sees;
- the same after white balance and gamma, over what is usual at that noise level: what the eye sees;
- the squared mean error of dark pixels over the batch: the other terms lift them, for they pull what is
  uncertain towards the surroundings, and those are brighter. A few dark pixels in a bright crop are lifted
  most, so that each crop counts alike however many it has, and one that is dark throughout doesn't. Only what
  is common to the batch counts: the term corrects the tendency and not each crop's chance. Noisy captures
  count more, for the lift grows faster than the noise.
"""

from __future__ import annotations

import torch
from torch import Tensor

from denoiser.training.noise_synthesis import NoisyBatch

RENDERED_WEIGHT = 3.0
WHITE_BALANCE = (2.1, 1.0, 1.0, 1.7)
"""Gains of the planes R, Gr, Gb, B in the middle of what `unprocess` draws."""
GAMMA = 2.2
GAMMA_TOE = 1e-3
"""Added before the power, whose slope at black would be infinite."""
RENDERED_USUAL, RENDERED_POWER = 0.2, 0.37
"""Usual root mean square error of a rendered picture: RENDERED_USUAL * shot ** RENDERED_POWER."""
DARK_LEVEL = 0.02
DARK_BIAS_SHOT = 4e-3
"""Shot noise at which a capture's dark bias counts twice."""
DARK_PIXELS_AT_LEAST = 64.0
"""A crop of as many dark pixels counts half."""
SMALLEST_SQUARE = 1e-13
"""Keeps the root's gradient finite where there is no error."""


def rendered(planes: Tensor) -> Tensor:
    """Planes [N, 4, H, W] white-balanced, clipped and gamma-encoded."""
    gains = torch.tensor(WHITE_BALANCE, device=planes.device)[:, None, None]
    return ((planes * gains).clamp(0, 1) + GAMMA_TOE).pow(1 / GAMMA)


def root_mean_square(error: Tensor) -> Tensor:
    """Of each crop: [N, 4, H, W] to [N]."""
    return (error.square().mean((1, 2, 3)) + SMALLEST_SQUARE).sqrt()


def denoising_loss(output: Tensor, batch: NoisyBatch, dark_bias_weight: float) -> Tensor:
    """Scalar loss of `output`, float32 [N, 4, H, W] in the domain of `batch.clean`."""
    error = output - batch.clean
    shot = batch.shot.mean((1, 2, 3))
    in_sigmas = error / (batch.shot * batch.clean + batch.read).sqrt()
    seen = in_sigmas.abs().mean()
    plain = root_mean_square(error / batch.shot.sqrt()).mean()
    shown = (
        root_mean_square(rendered(output) - rendered(batch.clean)) / (RENDERED_USUAL * shot**RENDERED_POWER)
    ).mean()
    dark = (batch.clean < DARK_LEVEL).to(error.dtype)
    count = dark.sum((1, 2, 3))
    emphasis = 1 + shot / DARK_BIAS_SHOT
    dark_bias = emphasis * (in_sigmas * dark).sum((1, 2, 3)) / (count + 1)
    weight = count / (count + DARK_PIXELS_AT_LEAST) * (1 - dark.mean((1, 2, 3)))
    lift = (weight * dark_bias).sum() / (weight.sum() + 1)
    return seen + plain + RENDERED_WEIGHT * shown + dark_bias_weight * lift.square()
