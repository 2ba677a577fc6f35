"""Photographs back to the linear camera RGB that a sensor would have seen.

References
----------
T. Brooks et al., "Unprocessing Images for Learned Raw Denoising", CVPR 2019.
"""

from __future__ import annotations

import torch
from torch import Tensor

from denoiser.cameras import XYZ_TO_CAMERA
from isp.sample.sensor import SRGB_TO_XYZ

SRGB_TO_CAMERA = torch.from_numpy(XYZ_TO_CAMERA @ SRGB_TO_XYZ).float()
"""Linear sRGB to camera RGB of each camera, [4, 3, 3]."""
DIM_SCENES = 0.2
"""Share of the scenes that are under-exposed, down to an eighth."""


def _linear_of_8_bit() -> Tensor:
    """Inverse of a smoothstep tone curve, then of gamma 2.2, for each 8-bit value."""
    x = torch.arange(256, dtype=torch.float64) / 255
    x = 0.5 - torch.sin(torch.arcsin(1 - 2 * x) / 3)
    return x.clamp(1e-8, 1).pow(2.2).float()


LINEAR_OF_8_BIT = _linear_of_8_bit()


def _uniform(low: float, high: float, count: int, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=generator)


def unprocess(photographs: Tensor, generator: torch.Generator, dim_share: float = DIM_SCENES) -> Tensor:
    """Linear camera RGB of sRGB crops, with a random camera, white balance and exposure each.

    photographs: uint8 [N, H, W, 3]. Returns float32 [N, 3, H, W], black 0, white 1, before white
    balance, on the photographs' device; the generator is the CPU's. dim_share: of under-exposed scenes.
    """
    n, device = photographs.shape[0], photographs.device
    linear = LINEAR_OF_8_BIT.to(device)[photographs.int()]
    mix = torch.rand(n, len(SRGB_TO_CAMERA), generator=generator)
    camera = torch.einsum("nk,kij->nij", mix / mix.sum(1, keepdim=True), SRGB_TO_CAMERA)
    camera = camera / camera.sum(2, keepdim=True)
    exposure = (0.8 + 0.1 * torch.randn(n, generator=generator)).clamp(0.5, 1.1)
    dim = torch.rand(n, generator=generator) < dim_share
    exposure = torch.where(dim, exposure * 2 ** _uniform(-3, 0, n, generator), exposure)
    red, blue = _uniform(1.9, 2.4, n, generator), _uniform(1.5, 1.9, n, generator)
    scale = (torch.stack([1 / red, torch.ones(n), 1 / blue], 1) * exposure[:, None]).to(device)
    x = torch.einsum("nij,nhwj->nihw", camera.to(device), linear)
    scale = scale[:, :, None, None]
    # Blown areas stay white in the sensor's space too.
    blown = ((x.mean(1, keepdim=True) - 0.9).clamp(min=0) / 0.1) ** 2 * (~dim).float().to(device)[:, None, None, None]
    return (x * torch.maximum(blown + (1 - blown) * scale, scale)).clamp(0, 1)


def pack_rggb(rgb: Tensor) -> Tensor:
    """The RGGB mosaic of an RGB image, as four half-size planes: [N, 3, H, W] to [N, 4, H/2, W/2]."""
    return torch.stack([rgb[:, 0, 0::2, 0::2], rgb[:, 1, 0::2, 1::2], rgb[:, 1, 1::2, 0::2], rgb[:, 2, 1::2, 1::2]], 1)
