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
"""Farthest below black, in standard deviations of the noise there, that the network is told of; what lies
deeper comes from a wrong black level and is left as it is."""

SHOT_FLOOR = 2e-5
"""Least shot noise that the network is told of, or the read noise (a quarter of it) that leaves as many
standard deviations between black and white: cleaner mosaics are treated as one of this noise."""

_SHOT_IN_READ = 4.0
_NO_NOISE = 1e-12
"""Stands in for shot noise of zero, so that a colour without any noise divides nothing by zero."""


def network_input(planes: Tensor, shot: Tensor, read: Tensor) -> Tensor:
    """Stabilised planes and the noise-level plane.

    planes: float32 [N, 4, H, W], black 0, white 1. shot, read: float32 [N, 4, 1, 1], variance of the
    noise = shot * x + read, none negative. Returns float32 [N, 5, H, W].
    """
    shot, read = _told(shot, read)
    zero = torch.sqrt(0.375 * shot**2 + read)
    light = planes.clamp(min=0.0)
    # (sqrt(shot * light + zero^2) - zero) * 2 / shot, in the form that holds for shot = 0 too.
    stabilised = 2 * light / (torch.sqrt(shot * light + zero**2) + zero)
    # Below black the noise is that of black: the transform goes on along its tangent, as far as noise goes.
    stabilised = stabilised + ((planes - light) / zero).clamp(min=-DEEPEST_SIGMAS)
    level = 0.5 * torch.log10(shot.clamp(min=SHOT_FLOOR).mean(1, keepdim=True)) + 1.5
    plane = level.expand(-1, 1, *planes.shape[2:])
    return torch.cat([stabilised / STABILISED_SCALE, plane], 1)


def apply_residual(planes: Tensor, residual: Tensor, shot: Tensor, read: Tensor) -> Tensor:
    """Planes with the network's answer added, same shapes and domain as in `network_input`.

    Of a mosaic cleaner than the network was told, the residual holds texture taken for noise: it counts
    by the true noise's share of what was told, so that less is lost with it than is gained.
    """
    told_shot, told_read = _told(shot, read)
    known = planes >= -DEEPEST_SIGMAS * torch.sqrt(0.375 * told_shot**2 + told_read)
    sigma = torch.sqrt((shot * planes.clamp(min=0.0) + read) / _excess(shot, read))
    return planes + residual * known * (RESIDUAL_SIGMAS * sigma)


def _told(shot: Tensor, read: Tensor) -> tuple[Tensor, Tensor]:
    """The noise that the network is told of."""
    excess = _excess(shot, read)
    return shot.clamp(min=_NO_NOISE) * excess, read * excess


def _excess(shot: Tensor, read: Tensor) -> Tensor:
    """Variance that the network is told of over the true one: 1, or more for the cleanest mosaics."""
    return (SHOT_FLOOR / (shot.clamp(min=_NO_NOISE) + _SHOT_IN_READ * read)).clamp(min=1.0)
