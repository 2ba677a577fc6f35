"""Reads lists of known defective pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from isp.errors import InputError

FORM = "pairs of whole numbers x (column) and y (row), counted from 0 at the top left of the picture area"


def read_defect_map(path: Path, height: int, width: int) -> np.ndarray:
    """Known defects of a sensor as int64 [N, 2], (row, column), within height x width.

    Three forms, told by the suffix: `.npy` with an integer array [N, 2] of (x, y); `.yaml` or `.yml`
    with a list of [x, y]; anything else is text with "x y" or "x,y" on each line, `#` before comments.
    Raises InputError for what is none of these or lies outside.
    """
    try:
        match path.suffix.lower():
            case ".npy":
                pairs = np.load(path, allow_pickle=False)
            case ".yaml" | ".yml":
                pairs = np.array(yaml.safe_load(path.read_text("utf-8")))
            case _:
                lines = [line.split("#")[0].replace(",", " ").split() for line in path.read_text("utf-8").splitlines()]
                pairs = np.array([[int(number) for number in line] for line in lines if line])
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"defect map {path}: {_one_line(error)}", expected=FORM) from error
    if pairs.size == 0:
        return np.zeros((0, 2), np.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not np.issubdtype(pairs.dtype, np.integer):
        raise InputError(f"defect map {path}: {pairs.dtype} of shape {pairs.shape}", expected=FORM)
    outside = ((pairs < 0) | (pairs >= (width, height))).any(axis=1)
    if outside.any():
        x, y = pairs[outside][0]
        raise InputError(
            f"defect map {path}: {int(outside.sum())} of {len(pairs)} pixels, the first at x {x}, y {y}, "
            f"lie outside the picture of {width} x {height}",
            remedy="count from the picture area, without masked borders",
        )
    return pairs[:, ::-1].astype(np.int64)


def _one_line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())
