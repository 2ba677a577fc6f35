"""Sensor noise drawn from measured priors and put on clean mosaics.

Shot and read noise follow the fits to two public collections of real captures: the Darmstadt Noise
Dataset (log10 read = 2.25 log10 shot + 1.38, residual sd 0.25) and the smartphone data set SIDD
(log10 read = 1.85 log10 shot + 0.30, sd 0.20).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

SHOT_RANGE = (5e-5, 2e-2)
SIDD_SHARE = 0.2
PER_COLOUR_SHARE = 0.25
ROW_NOISE_SHARE = 0.2
HOT_PIXEL_SHARE = 0.1
HOT_PIXEL_SIGMAS = 25.0
"""Largest excess of a hot pixel, in standard deviations of the read noise. Stronger ones are for the
stage that replaces defective pixels: a network trained to remove them removes real glints as well."""
WRONG_PROFILE_SHARE = 0.7
WRONG_PROFILE_OCTAVES = 1.5
"""A wrong noise model's variance lies up to this many factors of two from the true one."""
BITS = (8, 10, 12, 14)
BITS_ODDS = (0.05, 0.2, 0.5, 0.25)


@dataclass(frozen=True)
class NoisyBatch:
    """clean, noisy: float32 [N, 4, H, W], black 0, white 1. shot, read: float32 [N, 4, 1, 1], the noise there
    is. told_shot, told_read: the noise that the network is told of, which may be wrong."""

    clean: Tensor
    noisy: Tensor
    shot: Tensor
    read: Tensor
    told_shot: Tensor
    told_read: Tensor


def draw_levels(
    count: int, generator: torch.Generator, shot_range: tuple[float, float] = SHOT_RANGE
) -> tuple[Tensor, Tensor]:
    """(shot, read) for `count` captures, float32 [count]; shot is log-uniform."""
    low, high = (math.log10(v) for v in shot_range)
    log_shot = low + (high - low) * torch.rand(count, generator=generator)
    spread = torch.randn(count, generator=generator)
    darmstadt = 2.25 * log_shot + 1.38 + 0.25 * spread
    smartphone = 1.85 * log_shot + 0.30 + 0.20 * spread
    log_read = torch.where(torch.rand(count, generator=generator) < SIDD_SHARE, smartphone, darmstadt)
    return 10**log_shot, 10**log_read


def _per_colour(values: Tensor, generator: torch.Generator) -> Tensor:
    """[N] to [N, 4, 1, 1]; for some captures red and blue differ from green, both greens never."""
    n = len(values)
    spread = torch.exp(0.15 * torch.randn(n, 3, generator=generator))
    spread = torch.where(torch.rand(n, 1, generator=generator) < PER_COLOUR_SHARE, spread, torch.ones(1))
    return (values[:, None] * spread[:, [0, 1, 1, 2]])[:, :, None, None]


def corrupt(clean: Tensor, generator: torch.Generator, shot_range: tuple[float, float] = SHOT_RANGE) -> NoisyBatch:
    """Puts shot, read and row noise, hot pixels, a pedestal and quantisation on clean planes.

    clean: float32 [N, 4, H, W], black 0, white 1. The draws that set a capture's character come from
    the CPU generator; the per-pixel noise comes from one seeded by it on the planes' device.
    """
    n, _, height, _ = clean.shape
    device = clean.device
    seed = int(torch.randint(2**62, (1,), generator=generator))
    pixel = torch.Generator(device).manual_seed(seed)
    shot, read = draw_levels(n, generator, shot_range)
    shot, read = _per_colour(shot, generator), _per_colour(read, generator)
    row_sigma = torch.rand(n, generator=generator) * 0.3 * (torch.rand(n, generator=generator) < ROW_NOISE_SHARE)
    hot_rate = 10 ** (-5 + 1.3 * torch.rand(n, generator=generator)) * (
        torch.rand(n, generator=generator) < HOT_PIXEL_SHARE
    )
    bits = torch.tensor(BITS)[torch.multinomial(torch.tensor(BITS_ODDS), n, replacement=True, generator=generator)]
    top = (2.0**bits - 1).float()
    # Sensors put their pedestal where the noise seldom reaches zero.
    pedestal = 1 / 64 + (1 / 12 - 1 / 64) * torch.rand(n, generator=generator)
    pedestal = torch.round(top * torch.maximum(pedestal, 2 * read.amax((1, 2, 3)).sqrt()))
    span = (top - pedestal)[:, None, None, None]
    with_rounding = (read + 1 / (12 * span**2)).to(device)
    octaves = WRONG_PROFILE_OCTAVES * (2 * torch.rand(n, generator=generator) - 1)
    wrong = torch.rand(n, generator=generator) < WRONG_PROFILE_SHARE
    factor = (2 ** (octaves * wrong))[:, None, None, None].to(device)
    shot, read, span = shot.to(device), read.to(device), span.to(device)
    pedestal, top = pedestal.to(device)[:, None, None, None], top.to(device)[:, None, None, None]

    noisy = torch.poisson(clean / shot, generator=pixel) * shot
    noisy += torch.randn(clean.shape, generator=pixel, device=device) * read.sqrt()
    # Planes 0 and 1 share the mosaic's even rows, planes 2 and 3 its odd ones.
    rows = torch.randn(n, 2, height, 1, generator=pixel, device=device) * row_sigma.to(device)[:, None, None, None]
    noisy += rows.repeat_interleave(2, dim=1) * read.sqrt()
    lottery = torch.rand(clean.shape, generator=pixel, device=device)
    rate = hot_rate.to(device)[:, None, None, None]
    excess = HOT_PIXEL_SIGMAS * lottery / rate.clamp(min=1e-12) * read.sqrt()
    noisy = torch.where(lottery < rate, noisy + excess, noisy)
    digital = torch.round(noisy * span + pedestal).clamp(min=0)
    noisy = (torch.minimum(digital, top) - pedestal) / span
    return NoisyBatch(clean, noisy, shot, with_rounding, shot * factor, with_rounding * factor)
