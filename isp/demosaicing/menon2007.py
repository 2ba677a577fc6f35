"""Directional filtering with a posteriori decision, and its refining step.

D. Menon, S. Andriani, G. Calvagno: Demosaicing with directional filtering and a posteriori decision,
IEEE Transactions on Image Processing 16(1), 2007. Green is estimated along rows and along columns;
the direction in which the colour difference (red or blue minus green) changes less is kept, and red
and blue follow along it. The refining step then low-passes the colour differences along the same
direction.

The paper refines the three colours one after the other. Colour differences at green pixels are means
of those at their two red or blue neighbours, so that both steps reduce to short filters over the
colour differences at the red and the blue pixels, which is how they stand here; the results are the
same.
"""

from __future__ import annotations

import numpy as np

from isp.cfa import Cfa
from isp.demosaicing.tiles import Quad, demosaic_in_tiles, shifted, shrunk

Shape = tuple[int, ...]
Shift = tuple[int, int]
LEFT, RIGHT, UP, DOWN, HERE = (0, -1), (0, 1), (-1, 0), (1, 0), (0, 0)


def menon2007(mosaic: np.ndarray, cfa: Cfa) -> np.ndarray:
    """Camera RGB float32 [H, W, 3] from a CFA mosaic float32 [H, W], H and W two or more; not clipped."""
    return demosaic_in_tiles(mosaic, cfa, _interpolate, margin=6)


def _interpolate(at: Quad) -> tuple[Quad, Quad, Quad]:
    """`_h` is along rows, `_v` along columns."""
    red_green, red_is_h, blue_green, blue_is_h = _decided(at)
    smooth_red_green = _smoothed(red_green, red_is_h)
    smooth_blue_green = _smoothed(blue_green, blue_is_h)

    # Red minus blue at the greens. The low-pass over a red or blue pixel and its two green neighbours
    # takes the pixel's own difference, a mean of theirs, before refining and theirs after it.
    mixed_red_green = _mixed(red_green, smooth_red_green)
    mixed_blue_green = _mixed(blue_green, smooth_blue_green)
    shape = shrunk(at.red, 5)
    red_blue_in_red_rows = _mean(mixed_red_green, shape, HERE, RIGHT) - _mean(mixed_blue_green, shape, UP, HERE)
    red_blue_in_blue_rows = _mean(mixed_red_green, shape, HERE, DOWN) - _mean(mixed_blue_green, shape, LEFT, HERE)

    shape = shrunk(at.red, 6)
    red, blue = shifted(at.red, shape), shifted(at.blue, shape)
    green_red, green_blue = shifted(at.green_red, shape), shifted(at.green_blue, shape)
    red_blue_at_red = np.where(
        shifted(red_is_h, shape),
        _mean(red_blue_in_red_rows, shape, LEFT, HERE),
        _mean(red_blue_in_blue_rows, shape, UP, HERE),
    )
    red_blue_at_blue = np.where(
        shifted(blue_is_h, shape),
        _mean(red_blue_in_blue_rows, shape, HERE, RIGHT),
        _mean(red_blue_in_red_rows, shape, HERE, DOWN),
    )
    return (
        Quad(
            red,
            green_red + _mean(smooth_red_green, shape, HERE, RIGHT),
            green_blue + _mean(smooth_red_green, shape, HERE, DOWN),
            blue + red_blue_at_blue,
        ),
        Quad(
            red - shifted(smooth_red_green, shape),
            green_red,
            green_blue,
            blue - shifted(smooth_blue_green, shape),
        ),
        Quad(
            red - red_blue_at_red,
            green_red + _mean(smooth_blue_green, shape, UP, HERE),
            green_blue + _mean(smooth_blue_green, shape, LEFT, HERE),
            blue,
        ),
    )


def _decided(at: Quad) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Red minus green and whether it was taken along the row; blue minus green and the same."""
    red_h = _difference(at.red, at.green_red, LEFT)
    red_v = _difference(at.red, at.green_blue, UP)
    blue_h = _difference(at.blue, at.green_blue, RIGHT)
    blue_v = _difference(at.blue, at.green_red, DOWN)
    # Change to the next pixel of the same colour, summed over a 5x5 window of the mosaic.
    change_red_h, change_red_v = _change(red_h, RIGHT), _change(red_v, DOWN)
    change_blue_h, change_blue_v = _change(blue_h, RIGHT), _change(blue_v, DOWN)
    shape = shrunk(at.red, 3)
    line_h, beside_h = (LEFT, HERE), ((-1, -1), (-1, 0), (1, -1), (1, 0))
    line_v, beside_v = (UP, HERE), ((-1, -1), (0, -1), (-1, 1), (0, 1))
    red_is_h = _roughness(change_red_h, change_blue_h, shape, line_h, beside_h, ((-1, -1), LEFT)) <= _roughness(
        change_red_v, change_blue_v, shape, line_v, beside_v, ((-1, -1), UP)
    )
    blue_is_h = _roughness(change_blue_h, change_red_h, shape, line_h, beside_h, (HERE, DOWN)) <= _roughness(
        change_blue_v, change_red_v, shape, line_v, beside_v, (HERE, RIGHT)
    )
    red_green = np.where(red_is_h, shifted(red_h, shape), shifted(red_v, shape))
    blue_green = np.where(blue_is_h, shifted(blue_h, shape), shifted(blue_v, shape))
    return red_green, red_is_h, blue_green, blue_is_h


def _difference(plane: np.ndarray, green: np.ndarray, other_side: Shift) -> np.ndarray:
    """`plane` minus green as estimated there in one direction, one pixel smaller on each side.

    The two greens stand in `green` at the pixel itself and at `other_side`. Green is the paper's
    filter: (0, 1/2, 0, 1/2, 0) on green plus (-1/4, 0, 1/2, 0, -1/4) on the colour itself.
    """
    shape = shrunk(plane, 1)
    down, right = other_side
    difference: np.ndarray = shifted(plane, shape, down, right) + shifted(plane, shape, -down, -right)
    difference *= np.float32(1 / 2)
    difference += shifted(plane, shape)
    difference -= shifted(green, shape)
    difference -= shifted(green, shape, down, right)
    difference *= np.float32(1 / 2)
    return difference


def _change(difference: np.ndarray, towards: Shift) -> np.ndarray:
    shape = shrunk(difference, 1)
    change: np.ndarray = shifted(difference, shape) - shifted(difference, shape, *towards)
    np.abs(change, out=change)
    return change


def _roughness(
    own: np.ndarray,
    other: np.ndarray,
    shape: Shape,
    line: tuple[Shift, ...],
    beside: tuple[Shift, ...],
    between: tuple[Shift, ...],
) -> np.ndarray:
    """Sum of the changes in a 5x5 window: of the pixel's own colour on its own line (threefold) and
    on the lines `beside`, and of the other colour on the lines `between`."""
    total: np.ndarray = shifted(own, shape, *line[0]) + shifted(own, shape, *line[1])
    total *= np.float32(3)
    for shift in beside:
        total += shifted(own, shape, *shift)
    for shift in between:
        total += shifted(other, shape, *shift)
    return total


def _smoothed(difference: np.ndarray, is_h: np.ndarray) -> np.ndarray:
    """Mean over each pixel and its two green neighbours in its direction, one pixel smaller on each side."""
    shape = shrunk(difference, 1)
    smooth: np.ndarray = np.where(
        shifted(is_h, shape),
        shifted(difference, shape, *LEFT) + shifted(difference, shape, *RIGHT),
        shifted(difference, shape, *UP) + shifted(difference, shape, *DOWN),
    )
    smooth *= np.float32(1 / 6)
    smooth += shifted(difference, shape) * np.float32(4 / 6)
    return smooth


def _mixed(difference: np.ndarray, smooth: np.ndarray) -> np.ndarray:
    mixed: np.ndarray = smooth * np.float32(2 / 3)
    mixed += shifted(difference, smooth.shape) * np.float32(1 / 3)
    return mixed


def _mean(plane: np.ndarray, shape: Shape, first: Shift, second: Shift) -> np.ndarray:
    mean: np.ndarray = shifted(plane, shape, *first) + shifted(plane, shape, *second)
    mean *= np.float32(1 / 2)
    return mean
