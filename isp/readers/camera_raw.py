"""Camera RAW files other than DNG, as LibRaw decodes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from isp.cfa import Cfa
from isp.dng.carried_tags import carried_exif
from isp.dng.tags import Tag
from isp.dng.tiff import Ifd
from isp.errors import InputError
from isp.raw_frame import BlackLevel, CalibrationIlluminant, Exposure, RawFrame, Rect
from isp.readers.libraw import opened

if TYPE_CHECKING:
    from rawpy import RawPy

_D65_KELVIN = 6504.0
_ORIENTATION_OF_FLIP = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}
"""LibRaw's flip is a set of bits (1 mirror columns, 2 mirror rows, 4 transpose); EXIF numbers them."""


def read_camera_raw(path: Path, main: Ifd | None = None) -> RawFrame:
    """The frame of a camera RAW, cropped to its active area and linearised by LibRaw.

    main: IFD 0 of formats that are built on TIFF; names and EXIF come from there, for LibRaw's Python
    door hides them. Raises InputError for what LibRaw cannot decode and for mosaics other than Bayer.
    """
    with opened(path) as raw:
        cfa, channel_at = _cfa(raw, path)
        sizes = raw.sizes
        active = Rect(
            sizes.top_margin, sizes.left_margin, sizes.top_margin + sizes.height, sizes.left_margin + sizes.width
        )
        stored = raw.raw_image
        if stored.ndim != 2 or active.bottom > stored.shape[0] or active.right > stored.shape[1]:
            raise InputError(f"{path.name}: LibRaw decoded {stored.shape} pixels", expected=f"{active} and its borders")
        black = BlackLevel(np.array(raw.black_level_per_channel, np.float64)[channel_at])
        white = float(raw.white_level)
        if white <= black.pattern.max():
            raise InputError(f"{path.name}: white level {white:g} is not above black level {black.pattern.max():g}")
        return RawFrame(
            mosaic=stored[active.slices].copy(),
            cfa=cfa,
            black=black,
            white=white,
            source=path,
            make="" if main is None else main.text(Tag.Make),
            model="" if main is None else main.text(Tag.Model),
            as_shot_neutral=_neutral(raw),
            illuminants=_illuminants(raw),
            active_area=active,
            default_crop=_default_crop(raw, active),
            orientation=_ORIENTATION_OF_FLIP.get(sizes.flip, 1),
            exposure=_exposure(raw),
            source_tags=() if main is None else carried_exif(main),
        )


def _cfa(raw: RawPy, path: Path) -> tuple[Cfa, np.ndarray]:
    """Phase of the active area, and LibRaw's channel number (R, G, B, second G) of each position, [2, 2]."""
    pattern = raw.raw_pattern
    if pattern is None or pattern.shape != (2, 2):
        found = (
            "no mosaic" if pattern is None else f"a mosaic that repeats every {pattern.shape[1]} x {pattern.shape[0]}"
        )
        kind = "X-Trans" if pattern is not None and pattern.shape == (6, 6) else "monochrome or not Bayer"
        raise InputError(f"{path.name} has {found} ({kind})", expected="a Bayer mosaic (RGGB, BGGR, GRBG or GBRG)")
    names = raw.color_desc.decode("ascii", errors="replace")
    letters = "".join(names[channel] for channel in pattern.ravel())
    if letters not in Cfa.__members__:
        raise InputError(f"{path.name} has a mosaic of {letters}", expected="a Bayer mosaic (RGGB, BGGR, GRBG or GBRG)")
    return Cfa(letters), np.asarray(pattern)


def _neutral(raw: RawPy) -> tuple[float, float, float] | None:
    red, green, blue = (float(gain) for gain in raw.camera_whitebalance[:3])
    if min(red, green, blue) <= 0:
        return None
    return green / red, 1.0, green / blue


def _illuminants(raw: RawPy) -> tuple[CalibrationIlluminant, ...]:
    """LibRaw's XYZ to camera matrix, measured at D65; none for cameras that it does not know."""
    matrix = np.array(raw.rgb_xyz_matrix, np.float64)[:3]
    return (CalibrationIlluminant(_D65_KELVIN, matrix),) if matrix.any() else ()


def _default_crop(raw: RawPy, active: Rect) -> Rect | None:
    sizes = raw.sizes
    top, left = sizes.crop_top_margin - active.top, sizes.crop_left_margin - active.left
    crop = Rect(
        max(top, 0),
        max(left, 0),
        min(top + sizes.crop_height, active.height),
        min(left + sizes.crop_width, active.width),
    )
    return crop if crop.height > 0 and crop.width > 0 else None


def _exposure(raw: RawPy) -> Exposure:
    """LibRaw's facts; it gives 0 for unknown ones."""
    facts = raw.other
    taken = facts.timestamp
    return Exposure(
        iso=facts.iso_speed or None,
        time_s=facts.shutter_speed or None,
        aperture_f=facts.aperture or None,
        focal_length_mm=facts.focal_length or None,
        taken=f"{taken:%Y:%m:%d %H:%M:%S}" if taken.year > 1970 else None,
        lens=raw.lens.model.strip() or None,
    )
