"""Lens-shading gains: coarse grids over the frame, interpolated bilinearly.

Adobe, Digital Negative Specification 1.7, chapter 7, GainMap opcode. A grid point stands at
(origin + index * spacing), relative to the frame: 0 is its top or left edge and 1 its bottom or right
edge, so that the centre of row y of H lies at (y + 0.5) / H. Beyond the outermost points the nearest
one holds.
"""

from __future__ import annotations

import numpy as np

from isp.cfa import Cfa
from isp.raw_frame import GainMap


def multiply_mosaic_gain(gain: np.ndarray, cfa: Cfa, gain_map: GainMap) -> None:
    """Multiplies `gain`, float32 [H, W], by a map, at the pixels of the mosaic that it is for.

    A map of opcode list 2 counts the mosaic as one plane, and picks its colours by where its area
    starts and by its pitch. One of list 3 is meant for the demosaiced picture: each of its planes
    (R, G, B) goes to the pixels of that colour.
    """
    shape = (gain.shape[0], gain.shape[1])
    if gain_map.opcode_list == 2:
        if gain_map.plane == 0:
            rows, columns = _selected(gain_map, shape)
            gain[rows, columns] *= _interpolated(gain_map, 0, shape, rows, columns)
        return
    for row, column, channel in zip((0, 0, 1, 1), (0, 1, 0, 1), cfa.channels, strict=True):
        if gain_map.plane <= channel < gain_map.plane + gain_map.planes:
            rows, columns = (
                _of_phase(selected, phase)
                for selected, phase in zip(_selected(gain_map, shape), (row, column), strict=True)
            )
            gain[rows, columns] *= _interpolated(gain_map, channel - gain_map.plane, shape, rows, columns)


def multiply_rgb(rgb: np.ndarray, gain_map: GainMap) -> None:
    """Multiplies camera RGB float32 [H, W, 3] by a map's planes, in place."""
    shape = (rgb.shape[0], rgb.shape[1])
    rows, columns = _selected(gain_map, shape)
    for channel in range(gain_map.plane, min(gain_map.plane + gain_map.planes, 3)):
        rgb[rows, columns, channel] *= _interpolated(gain_map, channel - gain_map.plane, shape, rows, columns)


def _selected(gain_map: GainMap, shape: tuple[int, int]) -> tuple[slice, slice]:
    area = gain_map.area
    return (
        slice(max(area.top, 0), min(area.bottom, shape[0]), max(gain_map.row_pitch, 1)),
        slice(max(area.left, 0), min(area.right, shape[1]), max(gain_map.column_pitch, 1)),
    )


def _of_phase(selected: slice, phase: int) -> slice:
    """Those of `selected` that are even (phase 0) or odd (phase 1)."""
    if selected.step % 2:
        start = selected.start if selected.start % 2 == phase else selected.start + selected.step
        return slice(start, selected.stop, 2 * selected.step)
    return selected if selected.start % 2 == phase else slice(0, 0, 1)


def _interpolated(gain_map: GainMap, plane: int, shape: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    """Gains float32 at the chosen pixels. A map with fewer planes than it is for repeats its last."""
    grid = np.asarray(gain_map.gains, np.float32)[..., min(plane, gain_map.gains.shape[2] - 1)]
    down = _weights(rows, shape[0], grid.shape[0], gain_map.origin_v, gain_map.spacing_v)
    across = _weights(columns, shape[1], grid.shape[1], gain_map.origin_h, gain_map.spacing_h)
    interpolated: np.ndarray = down @ grid @ across.T
    return interpolated


def _weights(selected: slice, length: int, points: int, origin: float, spacing: float) -> np.ndarray:
    """Weight of each of the grid's points for each chosen pixel, float32 [pixels, points]."""
    centres = (np.arange(selected.start, selected.stop, selected.step) + 0.5) / length
    # A single point has no spacing: its gain holds everywhere.
    at = np.clip((centres - origin) / spacing, 0, points - 1) if points > 1 else np.zeros_like(centres)
    return np.maximum(1 - np.abs(at[:, None] - np.arange(points)), 0).astype(np.float32)
