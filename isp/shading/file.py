"""Reads lens-shading gains from a file of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from isp.cfa import Cfa
from isp.errors import InputError
from isp.raw_frame import GainMap, Rect

FORM = "a grid [rows, columns] of gains above 0 for each of R, Gr, Gb, B, or for each of R, G, B"


def read_shading_file(path: Path, cfa: Cfa | None, height: int, width: int) -> tuple[GainMap, ...]:
    """Gain maps for a frame of height x width; with `cfa` None, for a picture after demosaic (R, G, B).

    `.npz` holds arrays, `.yaml` or `.yml` lists of lists, by the names of FORM. The grid's outermost
    points lie on the frame's edges. Raises InputError for anything else.
    """
    grids = {name: _grid(path, name, values) for name, values in _content(path).items()}
    names = ("R", "Gr", "Gb", "B") if "Gr" in grids else ("R", "G", "B")
    if set(grids) != set(names) or (cfa is None and "Gr" in grids):
        expected = FORM if cfa is not None else "a grid for each of R, G, B, for this file is demosaiced already"
        raise InputError(f"lens-shading file {path}: grids {', '.join(grids) or '(none)'}", expected=expected)
    if cfa is None or "G" in grids:
        return tuple(_gain_map(grids[name], Rect(0, 0, height, width), plane, 1, 3) for plane, name in enumerate(names))
    starts = {name: cfa.position(name) for name in names}
    return tuple(_gain_map(grids[name], Rect(*starts[name], height, width), 0, 2, 2) for name in names)


def _content(path: Path) -> dict[str, object]:
    try:
        if path.suffix.lower() == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"lens-shading file {path}: {' '.join(text.split())}", expected=FORM) from error
    if not isinstance(content, dict):
        raise InputError(f"lens-shading file {path}: no names", expected=FORM)
    return {str(name): values for name, values in content.items()}


def _grid(path: Path, name: str, values: object) -> np.ndarray:
    try:
        grid = np.array(values, np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"lens-shading file {path}: {name} is no grid of numbers", expected=FORM) from error
    if grid.ndim != 2 or not grid.size or not np.isfinite(grid).all() or grid.min() <= 0:
        raise InputError(f"lens-shading file {path}: {name} of shape {grid.shape} does not fit", expected=FORM)
    return grid


def _gain_map(grid: np.ndarray, area: Rect, plane: int, pitch: int, opcode_list: int) -> GainMap:
    rows, columns = grid.shape
    return GainMap(
        area=area,
        plane=plane,
        planes=1,
        row_pitch=pitch,
        column_pitch=pitch,
        gains=grid[:, :, None],
        origin_v=0.0,
        origin_h=0.0,
        spacing_v=1 / max(rows - 1, 1),
        spacing_h=1 / max(columns - 1, 1),
        opcode_list=opcode_list,
    )
