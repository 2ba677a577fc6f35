"""Cutting packed planes into pieces of one size, for engines that take no other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from benchmarks.peers import Infer


@dataclass(frozen=True)
class Window:
    """Rows or columns of one piece. start: of what it needs; first, end: of what it gives."""

    start: int
    first: int
    end: int


def window_length(size: int, longest: int, halo: int, multiple: int) -> int:
    """Least length with which as few windows as those of `longest` cover an axis; all of it if it fits."""
    if size <= longest:
        return size
    if longest <= 2 * halo:
        raise ValueError(f"pieces of {longest} have a halo of {halo} on each side, which leaves nothing")
    count = -(-(size - 2 * halo) // (longest - 2 * halo))
    length = -(-(size - 2 * halo) // count) + 2 * halo
    return -(-length // multiple) * multiple


def windows(size: int, length: int, halo: int) -> list[Window]:
    """Windows of an axis in order: each gives what is at least `halo` from its ends, save at those of the axis."""
    found: list[Window] = []
    first = 0
    while first < size:
        start = min(max(first - halo, 0), size - length)
        end = size if start + length == size else start + length - halo
        found.append(Window(start, first, end))
        first = end
    return found


def run_in_pieces(infer: Infer, planes: np.ndarray, height: int, width: int, halo: int) -> np.ndarray:
    """The residual of planes [1, 5, H, W], piece by piece of height x width; a single one isn't copied."""
    if planes.shape[2:] == (height, width):
        return infer(planes)
    output = np.empty((1, 4, *planes.shape[2:]), np.float32)
    rows, columns = windows(planes.shape[2], height, halo), windows(planes.shape[3], width, halo)
    for row, column in product(rows, columns):
        piece = planes[..., row.start : row.start + height, column.start : column.start + width]
        residual = infer(np.ascontiguousarray(piece))
        inner_rows = slice(row.first - row.start, row.end - row.start)
        inner_columns = slice(column.first - column.start, column.end - column.start)
        output[..., row.first : row.end, column.first : column.end] = residual[..., inner_rows, inner_columns]
    return output
