"""Held-out photographs at fixed noise levels: the score that the progress line shows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from denoiser.evaluation.scenes import PEDESTAL_DN, SHOTS, WHITE_DN, read_variance
from denoiser.network import FeatureAlignNetwork
from denoiser.normalisation import apply_residual, network_input
from denoiser.training.photographs import Photographs
from denoiser.training.unprocess import pack_rggb, unprocess

CROPS = 36
CROP_PX = 256
SEED = 7


@dataclass(frozen=True)
class ValidationSet:
    """clean, noisy: float32 [levels, N, 4, H, W], black 0, white 1; 12 bits, pedestal 256 DN."""

    clean: Tensor
    noisy: Tensor


def build(photographs: Photographs) -> ValidationSet:
    generator = torch.Generator().manual_seed(SEED)
    # As in the evaluation, all well exposed: dim scenes are easy, and would hide what is lost in others.
    clean = pack_rggb(unprocess(photographs.crops(CROPS, CROP_PX, generator), generator, dim_share=0))
    span = WHITE_DN - PEDESTAL_DN
    levels = []
    for shot in SHOTS:
        noisy = torch.poisson(clean / shot, generator=generator) * shot
        noisy += torch.randn(clean.shape, generator=generator) * read_variance(shot) ** 0.5
        levels.append((torch.round(noisy * span + PEDESTAL_DN).clamp(0, WHITE_DN) - PEDESTAL_DN) / span)
    return ValidationSet(clean, torch.stack(levels))


@torch.no_grad()
def psnr_by_level(network: FeatureAlignNetwork, validation: ValidationSet) -> list[float]:
    """Mean over crops of the raw PSNR in dB, both images clipped to [0, 1], for each of `SHOTS`."""
    device = next(network.parameters()).device
    clean = validation.clean.to(device)
    scores = []
    for shot, noisy in zip(SHOTS, validation.noisy.to(device), strict=True):
        a = torch.full((len(noisy), 4, 1, 1), shot, device=device)
        b = torch.full_like(a, read_variance(shot))
        output = apply_residual(noisy, network(network_input(noisy, a, b)), a, b)
        error = (output.clamp(0, 1) - clean.clamp(0, 1)).square().mean((1, 2, 3))
        scores.append(float((-10 * torch.log10(error + 1e-20)).mean()))
    return scores
