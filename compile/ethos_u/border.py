"""What lies on the core's side of an NPU's network: mosaics to its integers, and its integers to mosaics.

`firmware_hooks/src/fan_npu.c` does the same in C.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from compile.ethos_u.tosa import Layout
from denoiser.denoise import PLANE_COLOURS
from denoiser.normalisation import apply_residual, network_input
from denoiser.packing import pack, unpack
from isp.cfa import Cfa

if TYPE_CHECKING:
    from compile.ethos_u.integer_graph import IntegerNetwork

Triple = tuple[float, float, float]


def seen(mosaic: np.ndarray, shot: Triple, read: Triple) -> np.ndarray:
    """The network's input: float32 [1, 5, H / 2, W / 2].

    mosaic: RGGB, float32 [H, W], black 0, white 1. shot, read: variance of the noise of R, G, B = shot * x + read.
    """
    return network_input(pack(mosaic, Cfa.RGGB), *_planes(shot, read)).numpy()


def integers(image: np.ndarray, network: IntegerNetwork, layout: Layout) -> np.ndarray:
    """An image as `seen` gives it, as the NPU is given it; values beyond the range saturate."""
    largest = network.precision.largest
    values = np.clip(np.rint(image / network.image.step), -largest, largest).astype(network.precision.activation)
    return np.ascontiguousarray(values.transpose(0, 2, 3, 1) if layout is Layout.NHWC else values)


def restored(
    mosaic: np.ndarray, answer: np.ndarray, network: IntegerNetwork, layout: Layout, shot: Triple, read: Triple
) -> np.ndarray:
    """The mosaic without its noise, float32 [H, W], from what the NPU answered."""
    planes = answer.transpose(0, 3, 1, 2) if layout is Layout.NHWC else answer
    residual = torch.from_numpy((planes * network.output.step).astype(np.float32))
    return unpack(apply_residual(pack(mosaic, Cfa.RGGB), residual, *_planes(shot, read)), Cfa.RGGB).copy()


def answer_shape(network: IntegerNetwork, side_px: int, layout: Layout) -> tuple[int, ...]:
    """Of what the NPU answers for a square tile of that side, in pixels of the mosaic."""
    side, channels = side_px // 2, network.output.channels
    return (1, side, side, channels) if layout is Layout.NHWC else (1, channels, side, side)


def _planes(shot: Triple, read: Triple) -> tuple[torch.Tensor, torch.Tensor]:
    shots, reads = (
        torch.tensor([values[colour] for colour in PLANE_COLOURS], dtype=torch.float32)[None, :, None, None]
        for values in (shot, read)
    )
    return shots, reads
