"""DNG's ProfileToneCurve.

DNG specification 1.7.1, tag ProfileToneCurve: points of a curve from linear light (after exposure)
to linear light, joined by a cubic spline. The spline is the natural one.
"""

from __future__ import annotations

import numpy as np

_TABLE_SIZE = 65536


def spline_table(points: np.ndarray) -> np.ndarray:
    """Table float32 [65536] of the curve through `points`, float64 [N, 2], at x = (i / 65535)^2.

    The square spends the entries on the shadows, where a display encoding is steep. Raises
    ValueError unless N is at least 2 and x rises from 0 to 1.
    """
    x, y = np.asarray(points, dtype=np.float64).T
    if x.size < 2 or (np.diff(x) <= 0).any() or abs(x[0]) > 1e-6 or abs(x[-1] - 1.0) > 1e-6:
        raise ValueError("two points or more whose x rises from 0 to 1")
    curvature = _natural_curvature(x, y)
    at = np.linspace(0.0, 1.0, _TABLE_SIZE) ** 2
    segment = np.clip(np.searchsorted(x, at, side="right") - 1, 0, x.size - 2)
    width = x[segment + 1] - x[segment]
    right = (at - x[segment]) / width
    left = 1.0 - right
    bend = (left**3 - left) * curvature[segment] + (right**3 - right) * curvature[segment + 1]
    table = left * y[segment] + right * y[segment + 1] + bend * width**2 / 6.0
    return np.asarray(np.clip(table, 0.0, 1.0), dtype=np.float32)


def apply_table(table: np.ndarray, values: np.ndarray) -> None:
    """Map a float32 array of values >= 0 in place through a table of `spline_table`; values above 1
    are taken as 1."""
    np.minimum(values, np.float32(1), out=values)
    np.sqrt(values, out=values)
    values *= np.float32(_TABLE_SIZE - 1)
    values += np.float32(0.5)
    values[...] = table[values.astype(np.uint16)]


def _natural_curvature(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Second derivatives at the points of the natural cubic spline (Thomas algorithm)."""
    count = x.size
    curvature = np.zeros(count)
    above = np.zeros(count)
    width = np.diff(x)
    slope = np.diff(y) / width
    for i in range(1, count - 1):
        pivot = 2.0 * (width[i - 1] + width[i]) - width[i - 1] * above[i - 1]
        above[i] = width[i] / pivot
        curvature[i] = (6.0 * (slope[i] - slope[i - 1]) - width[i - 1] * curvature[i - 1]) / pivot
    for i in range(count - 2, 0, -1):
        curvature[i] -= above[i] * curvature[i + 1]
    return curvature
