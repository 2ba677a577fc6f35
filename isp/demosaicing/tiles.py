"""Runs a Bayer interpolation over a frame in tiles that fit into the processor's cache.

An interpolation sees one tile as its four colour planes, at half resolution and always in the order
red, green of the red rows, green of the blue rows, blue: the other three phases become this one when
the tile starts a row or a column earlier. Beyond the frame's border the mosaic is mirrored without
repeating the border pixel (reflect-101), which keeps the phase for every size of two or more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from isp.cfa import Cfa

TILE_ROWS, TILE_COLUMNS = 64, 4096


@dataclass(frozen=True)
class Quad:
    """Four planes [h, w] that lie on the positions of each 2x2 block of a mosaic [2h, 2w].

    Named by the colour measured there: `red` at row 0, column 0; `green_red` at 0, 1; `green_blue` at
    1, 0; `blue` at 1, 1.
    """

    red: np.ndarray
    green_red: np.ndarray
    green_blue: np.ndarray
    blue: np.ndarray


Interpolation = Callable[[Quad], tuple[Quad, Quad, Quad]]
"""From the planes of a tile, float32 [h + 2 m, w + 2 m], to its full red, green and blue, each as four
planes [h, w]; m is the interpolation's margin."""


def shifted(plane: np.ndarray, shape: tuple[int, ...], down: int = 0, right: int = 0) -> np.ndarray:
    """View of the middle of `plane`, `shape` large, moved by `down` and `right`."""
    top = (plane.shape[0] - shape[0]) // 2 + down
    left = (plane.shape[1] - shape[1]) // 2 + right
    return plane[top : top + shape[0], left : left + shape[1]]


def shrunk(plane: np.ndarray, margin: int) -> tuple[int, int]:
    """Shape of `plane` without `margin` on each side."""
    return plane.shape[0] - 2 * margin, plane.shape[1] - 2 * margin


def demosaic_in_tiles(
    mosaic: np.ndarray,
    cfa: Cfa,
    interpolate: Interpolation,
    margin: int,
    tile: tuple[int, int] = (TILE_ROWS, TILE_COLUMNS),
) -> np.ndarray:
    """Camera RGB float32 [H, W, 3] from a CFA mosaic float32 [H, W]; H and W two or more, odd or even.

    `margin` is how far `interpolate` looks, in pixels of its planes: half as many as of the mosaic.
    The result does not depend on `tile` (rows and columns, both even). Values are not clipped.
    """
    height, width = mosaic.shape
    if height < 2 or width < 2:
        raise ValueError(f"mosaic of {width} x {height} pixels: a Bayer mosaic has at least 2 x 2")
    red_row, red_column = cfa.position("R")
    rgb = np.empty((height, width, 3), np.float32)
    for rows in _spans(height, tile[0]):
        for columns in _spans(width, tile[1]):
            planes = _planes(mosaic, _reach(rows, red_row, margin), _reach(columns, red_column, margin))
            inside = (
                slice(red_row, red_row + rows.stop - rows.start),
                slice(red_column, red_column + columns.stop - columns.start),
            )
            colours = [_interleaved(quad)[inside] for quad in interpolate(planes)]
            cv2.merge(colours, rgb[rows, columns])
    return rgb


def _spans(length: int, step: int) -> Iterator[slice]:
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))


def _reach(span: slice, red: int, margin: int) -> slice:
    """Pixels that a tile reads: from a red row or column on, an even number of them."""
    start = span.start - red - 2 * margin
    length = span.stop + 2 * margin - start
    return slice(start, start + length + length % 2)


def _planes(mosaic: np.ndarray, rows: slice, columns: slice) -> Quad:
    height, width = mosaic.shape
    beyond = (max(-rows.start, 0), max(rows.stop - height, 0), max(-columns.start, 0), max(columns.stop - width, 0))
    tile = mosaic[max(rows.start, 0) : rows.stop, max(columns.start, 0) : columns.stop]
    if any(beyond):
        tile = cv2.copyMakeBorder(tile, *beyond, borderType=cv2.BORDER_REFLECT_101)
    blocks = tile.reshape(tile.shape[0] // 2, 2, tile.shape[1] // 2, 2)
    return Quad(*cv2.split(blocks[:, 0]), *cv2.split(blocks[:, 1]))


def _interleaved(quad: Quad) -> np.ndarray:
    """The mosaic [2h, 2w] whose planes are `quad`."""
    h, w = quad.red.shape
    blocks = np.empty((h, 2, w, 2), np.float32)
    cv2.merge((quad.red, quad.green_red), blocks[:, 0])
    cv2.merge((quad.green_blue, quad.blue), blocks[:, 1])
    return blocks.reshape(2 * h, 2 * w)
