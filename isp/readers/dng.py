"""DNG files (DNG specification 1.7.1): Bayer mosaics, and LinearRaw that its camera demosaiced."""

from __future__ import annotations

import numpy as np

from isp.cfa import Cfa
from isp.dng.carried_tags import carried_tags
from isp.dng.opcodes import gain_maps
from isp.dng.storage import mosaic_ifd, storage
from isp.dng.tags import Photometric, Tag
from isp.dng.tiff import Ifd, TiffFile
from isp.errors import InputError
from isp.raw_frame import GainMap, RawFrame, Rect
from isp.readers.dng_colour import analog_balance, as_shot_neutral, baseline_exposure_ev, illuminants, tone_curve
from isp.readers.dng_levels import black_level, noise_model, noise_reduction_applied, white_level
from isp.readers.dng_pixels import decode
from isp.readers.exposure import exposure_of

_COLOUR_NAMES = ("R", "G", "B", "cyan", "magenta", "yellow", "white")


def is_dng(tiff: TiffFile) -> bool:
    """Whether a TIFF file says that it is a DNG."""
    return Tag.DNGVersion in tiff.first_directory().entries


def read_dng(tiff: TiffFile) -> RawFrame:
    """The frame of an open DNG, cropped to its active area and linearised.

    Raises InputError for what is not a Bayer or LinearRaw DNG, or contradicts itself.
    """
    main = tiff.first_directory()
    raw = mosaic_ifd([main, *main.children(Tag.SubIFDs)], tiff.path.name)
    layout = storage(raw)
    cfa = _cfa(raw, layout.samples)
    active = _active_area(raw, layout.height, layout.width)
    stored = decode(raw, layout)
    black = black_level(raw, stored, active)
    lights = illuminants(main)
    balance = analog_balance(main)
    area_is_all = active == Rect(0, 0, layout.height, layout.width)
    orientation = main.integer(Tag.Orientation, 1)
    return RawFrame(
        mosaic=stored if area_is_all else np.ascontiguousarray(stored[active.slices]),
        cfa=cfa,
        black=black,
        white=white_level(raw, layout, black),
        source=tiff.path,
        make=main.text(Tag.Make),
        model=main.text(Tag.Model) or main.text(Tag.UniqueCameraModel),
        as_shot_neutral=as_shot_neutral(main, lights, balance),
        analog_balance=balance,
        illuminants=lights,
        noise=noise_model([raw, main], cfa),
        noise_reduction_applied=noise_reduction_applied([raw, main]),
        gain_maps=_gain_maps(raw, active, layout.samples),
        active_area=active,
        default_crop=_default_crop(raw, active),
        orientation=orientation if 1 <= orientation <= 8 else 1,
        baseline_exposure_ev=baseline_exposure_ev(main),
        tone_curve=tone_curve(main),
        exposure=exposure_of(main),
        source_tags=carried_tags(main, raw, active_area_at_origin=(active.top, active.left) == (0, 0)),
    )


def _cfa(raw: Ifd, samples: int) -> Cfa | None:
    """Phase at the active area's top left; None for LinearRaw. Raises InputError for other mosaics."""
    name = raw.file.path.name
    bayer = "a Bayer mosaic (RGGB, BGGR, GRBG or GBRG) or LinearRaw with three colours"
    if raw.integer(Tag.PhotometricInterpretation, -1) == Photometric.LINEAR_RAW:
        if samples == 3:
            return None
        kind = "monochrome" if samples == 1 else f"LinearRaw with {samples} colours"
        raise InputError(f"{name} is {kind}", expected=bayer)
    rows, columns = raw.integers(Tag.CFARepeatPatternDim, [2, 2], count=2)
    pattern = raw.integers(Tag.CFAPattern, [])
    plane_colours = raw.integers(Tag.CFAPlaneColor, [0, 1, 2])
    if samples != 1 or len(pattern) != rows * columns:
        raise InputError(f"{name}: CFAPattern has {len(pattern)} entries for {rows} x {columns}", expected=bayer)
    if (rows, columns) == (6, 6):
        raise InputError(f"{name} has an X-Trans mosaic (6 x 6)", expected=bayer)
    if (rows, columns) != (2, 2):
        raise InputError(f"{name} has a mosaic that repeats every {columns} x {rows} pixels", expected=bayer)
    letters = "".join("RGB"[colour] if colour < 3 else "?" for colour in pattern)
    if letters not in Cfa.__members__ or plane_colours != [0, 1, 2]:
        colours = [_COLOUR_NAMES[c] if c < len(_COLOUR_NAMES) else str(c) for c in pattern]
        raise InputError(f"{name} has a mosaic of {', '.join(colours)} (planes {plane_colours})", expected=bayer)
    layout = raw.integer(Tag.CFALayout, 1)
    if layout != 1:
        raise InputError(f"{name} has a staggered mosaic (CFALayout {layout})", expected=bayer)
    return Cfa(letters)


def _active_area(raw: Ifd, height: int, width: int) -> Rect:
    top, left, bottom, right = raw.integers(Tag.ActiveArea, [0, 0, height, width], count=4)
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise InputError(
            f"{raw.file.path.name}: ActiveArea is rows {top} to {bottom}, columns {left} to {right}",
            expected=f"a rectangle within {width} x {height}",
        )
    if bottom - top < 2 or right - left < 2:
        raise InputError(f"{raw.file.path.name} has {right - left} x {bottom - top} pixels", expected="at least 2 x 2")
    return Rect(top, left, bottom, right)


def _default_crop(raw: Ifd, active: Rect) -> Rect | None:
    """DefaultCropOrigin and DefaultCropSize, rounded to pixels and kept within the active area."""
    origin, size = raw.reals(Tag.DefaultCropOrigin, count=2), raw.reals(Tag.DefaultCropSize, count=2)
    if size is None:
        return None
    left, top = (0, 0) if origin is None else (round(value) for value in origin.tolist())
    right, bottom = (round(value) for value in ((0, 0) if origin is None else origin) + size)
    crop = Rect(max(top, 0), max(left, 0), min(bottom, active.height), min(right, active.width))
    if crop.height <= 0 or crop.width <= 0:
        raise InputError(
            f"{raw.file.path.name}: the default crop is rows {top} to {bottom}, columns {left} to {right}",
            expected=f"a part of the active area of {active.width} x {active.height}",
        )
    return crop


def _gain_maps(raw: Ifd, active: Rect, samples: int) -> tuple[GainMap, ...]:
    maps: tuple[GainMap, ...] = ()
    for number, tag, planes in ((2, Tag.OpcodeList2, samples), (3, Tag.OpcodeList3, 3)):
        entry = raw.entries.get(tag)
        if entry is not None:
            maps += gain_maps(entry.raw(), number, active.height, active.width, planes)
    return maps
