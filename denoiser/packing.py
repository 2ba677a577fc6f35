"""Mosaics of any Bayer phase as four half-size planes R, Gr, Gb, B, and back.

The phase is normalised by flips, never by rolls: a roll would wrap one edge to the other.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from isp.cfa import Cfa

_FLIPS: dict[Cfa, tuple[int, ...]] = {
    Cfa.RGGB: (),
    Cfa.GRBG: (-1,),
    Cfa.GBRG: (-2,),
    Cfa.BGGR: (-2, -1),
}
"""Axes whose flip turns a mosaic of even size into RGGB."""


def pack(mosaic: np.ndarray, cfa: Cfa) -> Tensor:
    """CFA mosaic float32 [H, W], H and W even, to planes float32 [1, 4, H/2, W/2] in the order R, Gr, Gb, B."""
    rggb = torch.from_numpy(np.ascontiguousarray(np.flip(mosaic, _FLIPS[cfa]), np.float32))
    return torch.nn.functional.pixel_unshuffle(rggb[None, None], 2)


def unpack(planes: Tensor, cfa: Cfa) -> np.ndarray:
    """The inverse of `pack`: float32 [H, W] in the phase `cfa`."""
    rggb = torch.nn.functional.pixel_shuffle(planes, 2)[0, 0].numpy()
    return np.flip(rggb, _FLIPS[cfa])
