"""Chromaticities, white points and adaptation between them.

Matrices between RGB and XYZ follow SMPTE RP 177-1993 (normalised primary matrix). Adaptation is the
linear Bradford transform of the ICC specification (ICC.1:2022, annex E), which the DNG specification
prescribes too. White points are those of ICC.1 (D50) and IEC 61966-2-1 (D65).
"""

from __future__ import annotations

import numpy as np

Xy = tuple[float, float]

D50_XYZ = np.array([0.9642, 1.0, 0.8249])
"""White of the ICC and DNG profile connection space, as ICC.1 writes it."""
D65_XY: Xy = (0.3127, 0.3290)
REC709_PRIMARIES: tuple[Xy, Xy, Xy] = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
P3_PRIMARIES: tuple[Xy, Xy, Xy] = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))

_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def xy_to_xyz(xy: Xy) -> np.ndarray:
    """Tristimulus values float64 [3] of the chromaticity `xy` at luminance 1."""
    x, y = xy
    return np.array([x / y, 1.0, (1.0 - x - y) / y])


def xyz_to_xy(xyz: np.ndarray) -> Xy:
    """Chromaticity of tristimulus values float64 [3], whose sum must be positive."""
    total = float(xyz.sum())
    return float(xyz[0]) / total, float(xyz[1]) / total


def bradford_adaptation(source_xyz: np.ndarray, target_xyz: np.ndarray) -> np.ndarray:
    """Matrix float64 [3, 3] on XYZ that turns the white `source_xyz` into `target_xyz`."""
    gains = (_BRADFORD @ target_xyz) / (_BRADFORD @ source_xyz)
    return np.asarray(np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD)


def rgb_to_xyz(primaries: tuple[Xy, Xy, Xy], white: Xy) -> np.ndarray:
    """Matrix float64 [3, 3] from linear RGB to XYZ; RGB (1, 1, 1) is `white` at luminance 1."""
    columns = np.stack([xy_to_xyz(primary) for primary in primaries], axis=1)
    return np.asarray(columns * np.linalg.solve(columns, xy_to_xyz(white)))
