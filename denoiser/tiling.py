"""Cutting a frame into tiles that overlap by a halo, so that the cut does not show.

Every output pixel is computed from the same surroundings whatever the tile size: tiles start on a
multiple of the network's stride, their halo covers its receptive field, and beyond the frame's edge
the mosaic goes on by reflection (without repeating the edge, so that the Bayer phase continues).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tile:
    """One tile, in pixels of the mosaic.

    top, left, height, width: the part of the frame that this tile gives. source_rows, source_columns:
    indices into the frame of what it needs, halo included and reflected at the edges.
    """

    top: int
    left: int
    height: int
    width: int
    source_rows: np.ndarray
    source_columns: np.ndarray


def reflect(indices: np.ndarray, size: int) -> np.ndarray:
    """Indices beyond [0, size) mirrored about the first and last, as often as it takes."""
    period = max(2 * (size - 1), 1)
    folded = np.abs(indices) % period
    return np.minimum(folded, period - folded) if size > 1 else np.zeros_like(indices)


def tiles(height: int, width: int, tile_px: int, halo_px: int, multiple_px: int) -> Iterator[Tile]:
    """Tiles of a frame, row by row.

    tile_px and halo_px must be multiples of `multiple_px`, which is even. The source of every tile is
    a multiple of it too, so that tiles at the right and bottom edges need no special case.
    """
    for value in (tile_px, halo_px):
        if value % multiple_px or multiple_px % 2:
            raise ValueError(f"{value} px is not a multiple of {multiple_px} px, or that is odd")
    for top in range(0, height, tile_px):
        for left in range(0, width, tile_px):
            rows, columns = min(tile_px, height - top), min(tile_px, width - left)
            yield Tile(
                top,
                left,
                rows,
                columns,
                _source(top, rows, height, halo_px, multiple_px),
                _source(left, columns, width, halo_px, multiple_px),
            )


def _source(start: int, length: int, size: int, halo_px: int, multiple_px: int) -> np.ndarray:
    padded = -(-length // multiple_px) * multiple_px
    return reflect(np.arange(start - halo_px, start + padded + halo_px), size)
