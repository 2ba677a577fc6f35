"""Gradient-corrected linear demosaic.

H. S. Malvar, L. He, R. Cutler: High-quality linear interpolation for demosaicing of Bayer-patterned
color images, ICASSP 2004. The bilinear estimate of each missing colour is corrected by the gradient
of the colour measured at the pixel, with the paper's gains 1/2 (green at red and blue), 5/8 (red and
blue at green) and 3/4 (red at blue, blue at red), which make every coefficient a multiple of 1/16.
"""

from __future__ import annotations

import numpy as np

from isp.cfa import Cfa
from isp.demosaicing.tiles import Quad, demosaic_in_tiles, shifted, shrunk


def malvar2004(mosaic: np.ndarray, cfa: Cfa) -> np.ndarray:
    """Camera RGB float32 [H, W, 3] from a CFA mosaic float32 [H, W], H and W two or more.

    Linear, so black 0 and white 1 are kept, and negative noise stays; edges may overshoot both.
    """
    return demosaic_in_tiles(mosaic, cfa, _interpolate, margin=1)


def _interpolate(at: Quad) -> tuple[Quad, Quad, Quad]:
    shape = shrunk(at.red, 1)
    red, blue = shifted(at.red, shape), shifted(at.blue, shape)
    green_red, green_blue = shifted(at.green_red, shape), shifted(at.green_blue, shape)

    red_h = shifted(at.red, shape) + shifted(at.red, shape, right=1)
    red_v = shifted(at.red, shape) + shifted(at.red, shape, down=1)
    blue_h = shifted(at.blue, shape, right=-1) + shifted(at.blue, shape)
    blue_v = shifted(at.blue, shape, down=-1) + shifted(at.blue, shape)
    # The two greens beside, above and below each red, and each blue.
    green_at_red = _sum(at.green_red, shape, (0, -1), (0, 0)) + _sum(at.green_blue, shape, (-1, 0), (0, 0))
    green_at_blue = _sum(at.green_blue, shape, (0, 0), (0, 1)) + _sum(at.green_red, shape, (0, 0), (1, 0))
    blue_at_red = _sum(at.blue, shape, (-1, -1), (-1, 0), (0, -1), (0, 0))
    red_at_blue = _sum(at.red, shape, (0, 0), (0, 1), (1, 0), (1, 1))
    for green, opposite, plane, centre in (
        (green_at_red, blue_at_red, at.red, red),
        (green_at_blue, red_at_blue, at.blue, blue),
    ):
        around = _sum(plane, shape, (0, -1), (0, 1), (-1, 0), (1, 0))
        around *= np.float32(1 / 8)
        gradient = centre * np.float32(1 / 2)
        gradient -= around
        green *= np.float32(1 / 4)
        green += gradient
        gradient *= np.float32(3 / 2)
        opposite *= np.float32(1 / 4)
        opposite += gradient

    _correct(red_h, blue_v, at.green_red, green_red, _sum(at.green_blue, shape, (-1, 0), (-1, 1), (0, 0), (0, 1)))
    _correct(blue_h, red_v, at.green_blue, green_blue, _sum(at.green_red, shape, (0, -1), (0, 0), (1, -1), (1, 0)))
    return (
        Quad(red, red_h, red_v, red_at_blue),
        Quad(green_at_red, green_red, green_blue, green_at_blue),
        Quad(blue_at_red, blue_v, blue_h, blue),
    )


def _correct(
    across: np.ndarray, along: np.ndarray, green: np.ndarray, centre: np.ndarray, diagonal: np.ndarray
) -> None:
    """Turns sums of the two neighbours beside (`across`) and above and below (`along`) each pixel of
    one green plane into estimates of that colour, in place. Overwrites `diagonal`, the sum of the
    four greens at the corners."""
    beside = _sum(green, across.shape, (0, -1), (0, 1))
    beside *= np.float32(1 / 16)
    above = _sum(green, across.shape, (-1, 0), (1, 0))
    above *= np.float32(1 / 16)
    diagonal *= np.float32(-1 / 8)
    diagonal += centre * np.float32(5 / 8)
    for colour, same, other in ((across, beside, above), (along, above, beside)):
        colour *= np.float32(1 / 2)
        colour += diagonal
        colour -= same
        colour -= same
        colour += other


def _sum(plane: np.ndarray, shape: tuple[int, ...], *shifts: tuple[int, int]) -> np.ndarray:
    first, second, *others = (shifted(plane, shape, down, right) for down, right in shifts)
    total: np.ndarray = first + second
    for other in others:
        total += other
    return total
