"""A captured frame with every fact of its file that developing needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from isp.cfa import Cfa
from isp.noise.model import NoiseModel


@dataclass(frozen=True)
class Rect:
    """Pixels [top, bottom) x [left, right)."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True)
class BlackLevel:
    """Digital number of no light: pattern[y % 2, x % 2] + per_row[y] + per_column[x].

    `pattern` is float64 [2, 2], row-major by position in the mosaic (not by colour); for LinearRaw it
    is [1, 1, 3]. `per_row` [H] and `per_column` [W] are DNG's BlackLevelDeltaV and BlackLevelDeltaH.
    """

    pattern: np.ndarray
    per_row: np.ndarray | None = None
    per_column: np.ndarray | None = None


@dataclass(frozen=True)
class CalibrationIlluminant:
    """One illuminant under which a camera was measured.

    kelvin: correlated colour temperature. colour_matrix: float64 [3, 3], XYZ to reference camera.
    forward_matrix: float64 [3, 3], white-balanced camera to XYZ (D50). camera_calibration: float64
    [3, 3], reference camera to this very camera.
    """

    kelvin: float
    colour_matrix: np.ndarray
    forward_matrix: np.ndarray | None = None
    camera_calibration: np.ndarray | None = None


@dataclass(frozen=True)
class GainMap:
    """DNG GainMap opcode: gains on a coarse grid over a rectangle of the frame, per colour position.

    `area` counts pixels of the frame's mosaic; `row_pitch` and `column_pitch` select every n-th row
    and column of it, starting at its top left. `gains` is float32 [rows, columns, planes]; its grid
    starts at (origin_v, origin_h) and steps by (spacing_v, spacing_h), all relative to the frame's
    size: 0 is the first row or column, 1 the last. Read from OpcodeList2 (mosaic) or OpcodeList3
    (after demosaic).
    """

    area: Rect
    plane: int
    planes: int
    row_pitch: int
    column_pitch: int
    gains: np.ndarray
    origin_v: float
    origin_h: float
    spacing_v: float
    spacing_h: float
    opcode_list: int = 2


@dataclass(frozen=True)
class Exposure:
    """How the capture was made, as far as its file tells."""

    iso: float | None = None
    time_s: float | None = None
    aperture_f: float | None = None
    focal_length_mm: float | None = None
    taken: str | None = None
    """EXIF date and time, "YYYY:MM:DD HH:MM:SS"."""
    lens: str | None = None


@dataclass(frozen=True)
class SourceTag:
    """A TIFF tag carried from the source file to a written DNG, unchanged."""

    code: int
    dtype: int
    """TIFF data type, as its number in the TIFF specification."""
    count: int
    value: object
    ifd: str = "main"
    """Where it stood: "main" (IFD 0), "raw" (the IFD of the mosaic), "exif" or "gps"."""


@dataclass(frozen=True)
class RawFrame:
    """One capture, cropped to its active area and already linearised, in digital numbers.

    mosaic: uint16 or float32 [H, W] in raw digital numbers, or [H, W, 3] for a LinearRaw file (then
    `cfa` is None). white: digital number at which a pixel is full, before black subtraction.
    as_shot_neutral: camera RGB of a neutral object, as the camera judged the scene.
    active_area: where the mosaic lay within the sensor's full readout. default_crop: the part to
    show, in pixels of the mosaic. orientation: EXIF 1 to 8. baseline_exposure_ev: DNG's
    BaselineExposure. tone_curve: float64 [N, 2], DNG's ProfileToneCurve. noise_reduction_applied: what was
    done to the mosaic before it was written, 0 for none to 1; None where the file does not tell.
    """

    mosaic: np.ndarray
    cfa: Cfa | None
    black: BlackLevel
    white: float
    source: Path
    make: str = ""
    model: str = ""
    as_shot_neutral: tuple[float, float, float] | None = None
    analog_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    illuminants: tuple[CalibrationIlluminant, ...] = ()
    noise: NoiseModel | None = None
    noise_reduction_applied: float | None = None
    gain_maps: tuple[GainMap, ...] = ()
    active_area: Rect | None = None
    default_crop: Rect | None = None
    orientation: int = 1
    baseline_exposure_ev: float = 0.0
    tone_curve: np.ndarray | None = None
    exposure: Exposure = field(default_factory=Exposure)
    source_tags: tuple[SourceTag, ...] = ()

    @property
    def height(self) -> int:
        return int(self.mosaic.shape[0])

    @property
    def width(self) -> int:
        return int(self.mosaic.shape[1])
