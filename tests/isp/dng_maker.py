"""Synthetic DNG files with any tags, for tests: `make_dng(path, mosaic, cfa="GBRG", black=[[64.5, 65], [66, 67]])`."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import tifffile

Extra = tuple[int, int, int, object]
"""(code, TIFF data type, count, value); rationals as flat numerators and denominators."""

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL, DOUBLE = 1, 2, 3, 4, 5, 7, 10, 12

EXIF_IFD = 34665
EXIF_PLACEHOLDER = EXIF_IFD - 1  # tifffile declines to write an ExifTag itself

# XYZ to camera of a common 550D, and a warmer sibling: invertible and plausible
D65_MATRIX = ((0.6461, -0.1164, -0.0857), (-0.3825, 1.1597, 0.2534), (-0.0416, 0.1540, 0.6039))
A_MATRIX = ((0.7034, -0.0804, -0.1014), (-0.4420, 1.2564, 0.2058), (-0.0851, 0.1994, 0.5758))


def rationals(values: object) -> tuple[int, ...]:
    """Numerators and denominators of float values, flat, as tifffile wants them."""
    fractions = [Fraction(float(v)).limit_denominator(1_000_000) for v in np.ravel(np.asarray(values))]
    return tuple(n for f in fractions for n in (f.numerator, f.denominator))


def real_tag(code: int, values: object, *, signed: bool = True) -> Extra:
    """Extra of RATIONAL or SRATIONAL values."""
    return code, SRATIONAL if signed else RATIONAL, int(np.size(np.asarray(values))), rationals(values)


def gain_map_opcode(
    gains: np.ndarray,
    *,
    top: int,
    left: int,
    bottom: int,
    right: int,
    plane: int = 0,
    planes: int = 1,
    row_pitch: int = 1,
    column_pitch: int = 1,
    origin: tuple[float, float] = (0.0, 0.0),
    spacing: tuple[float, float] | None = None,
) -> bytes:
    """A GainMap (opcode 9) as DNG stores it; `gains` is [rows, columns] or [rows, columns, map planes]."""
    grid = np.asarray(gains, np.float64)
    grid = grid[..., None] if grid.ndim == 2 else grid
    rows, columns, map_planes = grid.shape
    step = spacing or (1 / max(rows - 1, 1), 1 / max(columns - 1, 1))
    body = struct.pack(">8I", top, left, bottom, right, plane, planes, row_pitch, column_pitch)
    body += struct.pack(">2I4dI", rows, columns, *step, *origin, map_planes) + grid.astype(">f4").tobytes()
    return opcode(9, body)


def opcode(identity: int, body: bytes, *, flags: int = 0) -> bytes:
    """One opcode: id, DNG version 1.3, flags, length, parameters; all big-endian whatever the file is."""
    return struct.pack(">I4B2I", identity, 1, 3, 0, 0, flags, len(body)) + body


def opcode_list(*opcodes: bytes) -> bytes:
    """What tags OpcodeList1 to 3 hold."""
    return struct.pack(">I", len(opcodes)) + b"".join(opcodes)


def make_dng(
    path: Path,
    mosaic: np.ndarray,
    *,
    cfa: str | Sequence[int] | None = "RGGB",
    cfa_repeat: tuple[int, int] = (2, 2),
    black: object = 0,
    white: object = None,
    black_delta_v: object = None,
    black_delta_h: object = None,
    linearization: object = None,
    bits: int | None = None,
    active_area: tuple[int, int, int, int] | None = None,
    masked_areas: object = None,
    default_crop: tuple[float, float, float, float] | None = None,
    orientation: int = 1,
    as_shot_neutral: object = (0.5, 1.0, 0.6),
    colour_matrix1: object = D65_MATRIX,
    illuminant1: int | None = 21,
    colour_matrix2: object = None,
    illuminant2: int | None = None,
    forward_matrix1: object = None,
    forward_matrix2: object = None,
    camera_calibration1: object = None,
    camera_calibration2: object = None,
    analog_balance: object = None,
    noise_profile: object = None,
    opcode_list2: bytes | None = None,
    opcode_list3: bytes | None = None,
    baseline_exposure: float | None = None,
    tone_curve: object = None,
    make: str = "Maker",
    model: str = "Maker One",
    exif: Sequence[Extra] = (),
    extra_tags: Sequence[Extra] = (),
    extra_main_tags: Sequence[Extra] = (),
    raw_in_subifd: bool = False,
    compression: Literal["deflate"] | None = None,
    predictor: int | None = None,
    rows_per_strip: int | None = None,
    tile: tuple[int, int] | None = None,
    byteorder: Literal["<", ">"] = "<",
    bigtiff: bool = False,
) -> Path:
    """Write `mosaic` ([H, W], or [H, W, 3] with `cfa=None` for LinearRaw) and return `path`.

    `black` is a scalar, a [rows, columns] repeat pattern, or [1, 1, 3]; None leaves the tag out, as None does for
    every other tag. `cfa` takes colour numbers too, for files that must be refused. With `raw_in_subifd`, IFD 0 is an
    RGB thumbnail that holds the camera and colour tags, as most cameras write it. `extra_tags` go to the mosaic's IFD.
    """
    linear = mosaic.ndim == 3
    raw: list[Extra] = []
    if not linear and cfa is not None:
        colours = ["RGB".index(c) for c in cfa] if isinstance(cfa, str) else list(cfa)
        raw += [(33421, SHORT, 2, cfa_repeat), (33422, BYTE, len(colours), bytes(colours)), (50711, SHORT, 1, 1)]
        raw += [(50710, BYTE, 3, bytes((0, 1, 2)))]
    if black is not None:
        pattern = np.asarray(black, np.float64)
        repeat = pattern.shape[:2] if pattern.ndim >= 2 else (1, 1)
        raw += [(50713, SHORT, 2, repeat), real_tag(50714, pattern, signed=False)]
    for code, values in ((50715, black_delta_h), (50716, black_delta_v)):
        if values is not None:
            raw.append(real_tag(code, values))
    if linearization is not None:
        table = [int(v) for v in np.asarray(linearization)]
        raw.append((50712, SHORT, len(table), table))
    if white is not None:
        levels = [int(v) for v in np.ravel(np.asarray(white))]
        raw.append((50717, LONG, len(levels), levels))
    if active_area is not None:
        raw.append((50829, LONG, 4, active_area))
    if masked_areas is not None:
        areas = [int(v) for v in np.ravel(np.asarray(masked_areas))]
        raw.append((50830, LONG, len(areas), areas))
    if default_crop is not None:
        top, left, height, width = default_crop
        raw += [real_tag(50719, (left, top), signed=False), real_tag(50720, (width, height), signed=False)]
    if noise_profile is not None:
        pairs = [float(v) for v in np.ravel(np.asarray(noise_profile))]
        raw.append((51041, DOUBLE, len(pairs), pairs))
    for code, opcodes in ((51009, opcode_list2), (51022, opcode_list3)):
        if opcodes is not None:
            raw.append((code, UNDEFINED, len(opcodes), opcodes))
    raw += extra_tags

    main: list[Extra] = [
        (50706, BYTE, 4, bytes((1, 4, 0, 0))),
        (50707, BYTE, 4, bytes((1, 1, 0, 0))),
        (271, ASCII, len(make) + 1, make),
        (272, ASCII, len(model) + 1, model),
        (50708, ASCII, len(model) + 1, model),
        (274, SHORT, 1, orientation),
    ]
    for code, values in (
        (50721, colour_matrix1),
        (50722, colour_matrix2),
        (50964, forward_matrix1),
        (50965, forward_matrix2),
        (50723, camera_calibration1),
        (50724, camera_calibration2),
    ):
        if values is not None:
            main.append(real_tag(code, values))
    for code, light in ((50778, illuminant1), (50779, illuminant2)):
        if light is not None:
            main.append((code, SHORT, 1, light))
    if as_shot_neutral is not None:
        main.append(real_tag(50728, as_shot_neutral, signed=False))
    if analog_balance is not None:
        main.append(real_tag(50727, analog_balance, signed=False))
    if baseline_exposure is not None:
        main.append(real_tag(50730, [baseline_exposure]))
    if tone_curve is not None:
        points = [float(v) for v in np.ravel(np.asarray(tone_curve))]
        main.append((50940, 11, len(points), points))
    if exif:
        main.append((EXIF_PLACEHOLDER, LONG, 1, 0))
    main += extra_main_tags

    _write(path, mosaic, raw, main, raw_in_subifd, compression, predictor, rows_per_strip, tile, byteorder, bigtiff)
    if bits is not None:
        _overwrite_value(path, 258, bits)
    if exif:
        _append_exif(path, exif, byteorder)
    return path


def _write(
    path: Path,
    mosaic: np.ndarray,
    raw: list[Extra],
    main: list[Extra],
    raw_in_subifd: bool,
    compression: str | None,
    predictor: int | None,
    rows_per_strip: int | None,
    tile: tuple[int, int] | None,
    byteorder: str,
    bigtiff: bool,
) -> None:
    options: dict[str, object] = {"photometric": 34892 if mosaic.ndim == 3 else 32803, "metadata": None}
    options |= {"compression": compression, "predictor": predictor, "tile": tile, "software": False}
    if tile is None:
        options["rowsperstrip"] = rows_per_strip or mosaic.shape[0]
    if mosaic.ndim == 3:
        options["planarconfig"] = "contig"
    with tifffile.TiffWriter(path, byteorder=byteorder, bigtiff=bigtiff) as tiff:
        if raw_in_subifd:
            thumbnail = np.full((8, 12, 3), 128, np.uint8)
            tiff.write(
                thumbnail, photometric="rgb", subifds=1, subfiletype=1, metadata=None, extratags=_with_order(main)
            )
            tiff.write(mosaic, subfiletype=0, extratags=_with_order(raw), **options)
        else:
            tiff.write(mosaic, subfiletype=0, extratags=_with_order(main + raw), **options)


def _with_order(tags: list[Extra]) -> list[tuple[int, int, int, object, bool]]:
    return [(*tag, True) for tag in sorted(tags, key=lambda t: t[0])]


def _overwrite_value(path: Path, code: int, value: int) -> None:
    with tifffile.TiffFile(path, mode="r+") as tiff:
        page = tiff.pages[0].pages[0] if tiff.pages[0].pages else tiff.pages[0]
        page.tags[code].overwrite(value)


def _append_exif(path: Path, exif: Sequence[Extra], byteorder: str) -> None:
    """EXIF directory at the end of the file, and its offset into the ExifTag."""
    sizes = {BYTE: 1, ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, UNDEFINED: 1, SRATIONAL: 8, DOUBLE: 8}
    letters = {SHORT: "H", LONG: "I", RATIONAL: "I", SRATIONAL: "i", DOUBLE: "d"}
    with path.open("r+b") as file:
        start = file.seek(0, 2)
        start += start % 2
        tail = start + 2 + 12 * len(exif) + 4
        entries, data = b"", b""
        for code, dtype, count, value in sorted(exif, key=lambda t: t[0]):
            if isinstance(value, str):
                packed = value.encode() + b"\0"
                count = len(packed)
            elif isinstance(value, bytes):
                packed = value
            else:
                numbers = value if isinstance(value, Sequence) else (value,)
                packed = struct.pack(f"{byteorder}{len(numbers)}{letters[dtype]}", *numbers)
            assert len(packed) == sizes[dtype] * count, f"tag {code}"
            entries += struct.pack(f"{byteorder}HHI", code, dtype, count)
            if len(packed) <= 4:
                entries += packed.ljust(4, b"\0")
            else:
                entries += struct.pack(f"{byteorder}I", tail + len(data))
                data += packed + b"\0" * (len(packed) % 2)
        file.seek(start)
        file.write(struct.pack(f"{byteorder}H", len(exif)) + entries + struct.pack(f"{byteorder}I", 0) + data)
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages[0].tags[EXIF_PLACEHOLDER]
        entry, where = tag.offset, tag.valueoffset
    with path.open("r+b") as file:
        file.seek(entry)
        file.write(struct.pack(f"{byteorder}H", EXIF_IFD))
        file.seek(where)
        file.write(struct.pack(f"{byteorder}I", start))
