"""Variance-stabilising normalisation between a mosaic and what the network sees.

The noise of a linear mosaic has variance shot * x + read. The generalised Anscombe transform makes
it about one standard deviation everywhere, so that one small network serves all levels; the network
answers with a residual in units of that noise, so that no noise means no change.

References
----------
F. Murtagh, J.-L. Starck, A. Bijaoui, "Image restoration with noise suppression using a
multiresolution support", A&AS 112 (1995): the generalised Anscombe transform.
"""

from __future__ import annotations

import torch
from torch import Tensor

RESIDUAL_SIGMAS = 4.0
"""One unit of the network's output, in standard deviations of the noise."""

STABILISED_SCALE = 16.0
"""Standard deviations of the noise in one unit of the network's input."""

DEEPEST_SIGMAS = 8.0
"""Farthest below black, in standard deviations of the noise there, that the network is told of."""

SHOT_FLOOR = 2e-5
"""Least shot noise that the network is told of: cleaner mosaics are treated as this one, and the
residual shrinks with their true noise."""


def network_input(planes: Tensor, shot: Tensor, read: Tensor) -> Tensor:
    """Stabilised planes and the noise-level plane.

    planes: float32 [N, 4, H, W], black 0, white 1. shot, read: float32 [N, 4, 1, 1], variance of the
    noise = shot * x + read. Returns float32 [N, 5, H, W].
    """
    floor = SHOT_FLOOR / shot.clamp(min=1e-12)
    raised = floor.clamp(min=1.0)
    shot, read = shot.clamp(min=SHOT_FLOOR), read * raised
    zero = torch.sqrt(0.375 * shot**2 + read)
    light = planes.clamp(min=0.0)
    stabilised = (torch.sqrt(shot * light + zero**2) - zero) * (2 / shot)
    # Below black the noise is that of black: the transform goes on along its tangent, as far as noise
    # goes. Deeper values come from a wrong black level, and nothing was learnt of them.
    stabilised = stabilised + ((planes - light) / zero).clamp(min=-DEEPEST_SIGMAS)
    level = 0.5 * torch.log10(shot.mean(1, keepdim=True)) + 1.5
    plane = level.expand(-1, 1, *planes.shape[2:])
    return torch.cat([stabilised / STABILISED_SCALE, plane], 1)


def apply_residual(planes: Tensor, residual: Tensor, shot: Tensor, read: Tensor) -> Tensor:
    """Planes with the network's answer added, same shapes and domain as in `network_input`."""
    sigma = torch.sqrt(shot * planes.clamp(min=0.0) + read)
    return planes + residual * (RESIDUAL_SIGMAS * sigma)
