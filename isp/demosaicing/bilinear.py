"""Bilinear demosaic: each missing colour is the mean of its nearest measured neighbours.

For previews: it blurs and leaves colour fringes at edges, but never overshoots.
"""

from __future__ import annotations

import numpy as np

from isp.cfa import Cfa
from isp.demosaicing.tiles import Quad, demosaic_in_tiles, shifted, shrunk


def bilinear(mosaic: np.ndarray, cfa: Cfa) -> np.ndarray:
    """Camera RGB float32 [H, W, 3] from a CFA mosaic float32 [H, W], H and W two or more; not clipped."""
    return demosaic_in_tiles(mosaic, cfa, _interpolate, margin=1)


def _interpolate(at: Quad) -> tuple[Quad, Quad, Quad]:
    shape = shrunk(at.red, 1)

    def mean(plane: np.ndarray, downs: tuple[int, ...], rights: tuple[int, ...]) -> np.ndarray:
        first, second, *others = (shifted(plane, shape, down, right) for down in downs for right in rights)
        total: np.ndarray = first + second
        for other in others:
            total += other
        total *= np.float32(1 / (2 + len(others)))
        return total

    here, before, after = (0,), (-1, 0), (0, 1)
    red, blue = shifted(at.red, shape), shifted(at.blue, shape)
    green_red, green_blue = shifted(at.green_red, shape), shifted(at.green_blue, shape)
    green_at_red = mean(at.green_red, here, before)
    green_at_red += mean(at.green_blue, before, here)
    green_at_red *= np.float32(0.5)
    green_at_blue = mean(at.green_blue, here, after)
    green_at_blue += mean(at.green_red, after, here)
    green_at_blue *= np.float32(0.5)
    return (
        Quad(red, mean(at.red, here, after), mean(at.red, after, here), mean(at.red, after, after)),
        Quad(green_at_red, green_red, green_blue, green_at_blue),
        Quad(mean(at.blue, before, before), mean(at.blue, before, here), mean(at.blue, here, before), blue),
    )
