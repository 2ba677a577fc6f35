"""Camera RGB to linear sRGB by a file's colour matrices.

DNG specification 1.7.1, chapter 6 "Mapping Camera Color Space to CIE XYZ Space": matrices of two
illuminants are interpolated in reciprocal temperature, the white point is found by iteration, and
the ForwardMatrix is preferred where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isp.colour.chromaticity import (
    D50_XYZ,
    D65_XY,
    REC709_PRIMARIES,
    Xy,
    bradford_adaptation,
    rgb_to_xyz,
    xy_to_xyz,
    xyz_to_xy,
)
from isp.colour.temperature import correlated_temperature_mired
from isp.errors import InputError
from isp.raw_frame import CalibrationIlluminant

_D50_XY: Xy = (0.3457, 0.3585)
_MAXIMUM_PASSES = 40
_DAMPED_FROM_PASS = 10
_CONVERGED_XY = 1e-8


@dataclass(frozen=True)
class CameraMatrices:
    """The camera at one illuminant. All float64 [3, 3].

    xyz_to_camera: XYZ to this camera's RGB before white balance. reference_to_camera: AnalogBalance
    times CameraCalibration. forward: white-balanced reference camera RGB to XYZ (D50), if known.
    """

    xyz_to_camera: np.ndarray
    reference_to_camera: np.ndarray
    forward: np.ndarray | None


def camera_matrices(
    illuminants: tuple[CalibrationIlluminant, ...], analog_balance: tuple[float, float, float], white: Xy
) -> CameraMatrices:
    """The camera's matrices under `white`, interpolated in mired between the two measured illuminants
    that enclose its temperature; outside of them the nearest one holds, as it does for a single one.
    `illuminants` must not be empty."""
    ordered = sorted(illuminants, key=lambda illuminant: 1.0 / illuminant.kelvin)
    measured_mired = np.array([1e6 / illuminant.kelvin for illuminant in ordered])
    at = float(np.interp(correlated_temperature_mired(white), measured_mired, np.arange(len(ordered))))
    first, second = ordered[int(at)], ordered[min(int(at) + 1, len(ordered) - 1)]
    share = at - int(at)

    def mixed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (1.0 - share) * a + share * b

    identity = np.eye(3)
    calibration = mixed(
        identity if first.camera_calibration is None else first.camera_calibration,
        identity if second.camera_calibration is None else second.camera_calibration,
    )
    reference_to_camera = np.diag(analog_balance) @ calibration
    forward = None
    if first.forward_matrix is not None and second.forward_matrix is not None:
        forward = mixed(first.forward_matrix, second.forward_matrix)
    elif first.forward_matrix is not None or second.forward_matrix is not None:
        forward = first.forward_matrix if first.forward_matrix is not None else second.forward_matrix
    colour = mixed(first.colour_matrix, second.colour_matrix)
    return CameraMatrices(reference_to_camera @ colour, reference_to_camera, forward)


def white_of_neutral(
    neutral: np.ndarray,
    illuminants: tuple[CalibrationIlluminant, ...],
    analog_balance: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Xy:
    """Chromaticity of the light under which a neutral object gives camera RGB `neutral`, float64 [3].

    The matrix depends on the white and the white on the matrix, hence the iteration; from its tenth
    pass on it goes half-way only, which ends a swing between two temperatures. Raises InputError
    where there is no such light.
    """
    white = _D50_XY
    for count in range(_MAXIMUM_PASSES):
        matrices = camera_matrices(illuminants, analog_balance, white)
        xyz = _inverse(matrices.xyz_to_camera, "ColorMatrix") @ neutral
        if not np.isfinite(xyz).all() or xyz.min() <= 0:
            break
        x, y = xyz_to_xy(xyz)
        if abs(x - white[0]) + abs(y - white[1]) < _CONVERGED_XY:
            return x, y
        white = (x, y) if count < _DAMPED_FROM_PASS else ((x + white[0]) / 2, (y + white[1]) / 2)
    shown = ", ".join(f"{value:.4g}" for value in neutral)
    raise InputError(
        f"no light source explains the neutral camera RGB ({shown}) under the file's colour matrices",
        expected="an AsShotNeutral or white balance that the ColorMatrix tags can produce",
        remedy="set white_balance gains or colour_matrix.matrix yourself",
    )


def balanced_camera_to_srgb(
    gains: tuple[float, float, float],
    illuminants: tuple[CalibrationIlluminant, ...],
    analog_balance: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> np.ndarray:
    """Matrix float64 [3, 3] from white-balanced camera RGB to linear sRGB (D65).

    `gains` are those of the white balance: the scene's neutral is their reciprocal. Rows sum to 1,
    so that neutral stays neutral exactly. Raises InputError for matrices that cannot be inverted.
    """
    neutral = 1.0 / np.asarray(gains, dtype=np.float64)
    white = white_of_neutral(neutral, illuminants, analog_balance)
    matrices = camera_matrices(illuminants, analog_balance, white)
    if matrices.forward is not None:
        to_reference = _inverse(matrices.reference_to_camera, "CameraCalibration")
        camera_to_d50 = matrices.forward @ np.diag(1.0 / (to_reference @ neutral)) @ to_reference
    else:
        camera_to_xyz = _inverse(matrices.xyz_to_camera, "ColorMatrix")
        camera_to_d50 = bradford_adaptation(xy_to_xyz(white), D50_XYZ) @ camera_to_xyz
    xyz_to_srgb = np.linalg.inv(rgb_to_xyz(REC709_PRIMARIES, D65_XY))
    d50_to_srgb = xyz_to_srgb @ bradford_adaptation(D50_XYZ, xy_to_xyz(D65_XY))
    matrix = d50_to_srgb @ camera_to_d50 @ np.diag(neutral)
    row_sums = matrix.sum(axis=1, keepdims=True)
    if not np.isfinite(matrix).all() or row_sums.min() <= 0:
        raise InputError(
            "the file's colour matrices map neutral to a negative colour",
            expected="matrices as the DNG specification describes them",
            remedy="set colour_matrix.matrix yourself",
        )
    return np.asarray(matrix / row_sums)


def _inverse(matrix: np.ndarray, tag: str) -> np.ndarray:
    if not np.isfinite(matrix).all() or np.linalg.cond(matrix) > 1e8:
        raise InputError(
            f"the file's {tag} cannot be inverted",
            expected="three independent rows",
            remedy="set colour_matrix.matrix yourself",
        )
    return np.asarray(np.linalg.inv(matrix))
