"""Plain Bayer dumps: bare bytes (.raw, .bin), NumPy arrays, and greyscale PNG, TIFF and PGM pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isp.dng.storage import MAXIMUM_SAMPLES
from isp.errors import InputError
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.raw_frame import BlackLevel, CalibrationIlluminant, RawFrame, Rect
from isp.readers.bayer_dump import BayerDump, Packing
from isp.readers.dump_packing import row_bytes, unpack
from isp.readers.npy import read_npy
from isp.readers.picture_header import picture_size

BARE_SUFFIXES = frozenset({".raw", ".bin"})
PICTURE_SUFFIXES = frozenset({".png", ".tif", ".tiff", ".pgm"})
DUMP_SUFFIXES = BARE_SUFFIXES | PICTURE_SUFFIXES | {".npy"}

_D65_KELVIN = 6504.0


def read_dump(path: Path, description: BayerDump) -> RawFrame:
    """The frame of a dump. Raises InputError where file and description disagree."""
    suffix = path.suffix.lower()
    if suffix == ".npy":
        array = read_npy(path)
        mosaic = np.ascontiguousarray(array, np.float32 if array.dtype.kind == "f" else np.uint16)
    elif suffix in PICTURE_SUFFIXES:
        mosaic = _read_picture(path)
    else:
        mosaic = _read_bare(path, description)
    _check(path, mosaic, description)
    height, width = mosaic.shape
    matrix = description.colour_matrix
    noise = None
    if description.noise_shot is not None and description.noise_read is not None:
        noise = NoiseModel.uniform(description.noise_shot, description.noise_read, NoiseOrigin.USER)
    return RawFrame(
        mosaic=mosaic,
        cfa=description.cfa,
        black=BlackLevel(np.array(description.black_pattern, np.float64)),
        white=description.white_dn,
        source=path,
        as_shot_neutral=description.as_shot_neutral,
        illuminants=() if matrix is None else (CalibrationIlluminant(_D65_KELVIN, np.array(matrix)),),
        noise=noise,
        active_area=Rect(0, 0, height, width),
    )


def _read_bare(path: Path, description: BayerDump) -> np.ndarray:
    """Pixels uint16 [H, W] of bytes without a header. The last row may end before its stride does."""
    width, height = description.width, description.height
    if width is None or height is None:
        raise InputError(f"{path.name} is described without width or height", remedy="give both")
    packing = description.packing or (Packing.U8 if description.bits == 8 else Packing.U16LE)
    used = row_bytes(packing, width)
    stride = description.stride_bytes or used
    if stride < used:
        raise InputError(f"{path.name}: stride_bytes is {stride}", expected=f"{used} or more for {width} pixels")
    begin, end = description.offset_bytes, description.offset_bytes + (height - 1) * stride + used
    size = path.stat().st_size
    if not end <= size <= max(begin + height * stride, end):
        raise InputError(
            f"{path.name} has {size} bytes",
            expected=f"{begin + height * stride} for {width} x {height} pixels as {packing}"
            + (f", {stride} bytes from row to row" if stride != used else "")
            + (f", after {begin} bytes" if begin else ""),
            remedy="correct width, height, packing, stride_bytes or offset_bytes",
        )
    data = np.fromfile(path, np.uint8, offset=begin)
    if data.size < end - begin:
        raise InputError(f"{path.name} ended while it was read")
    rows = np.lib.stride_tricks.as_strided(data, (height, used), (stride, 1))
    return unpack(rows, packing, width)


def _read_picture(path: Path) -> np.ndarray:
    import cv2

    height, width = picture_size(path)
    if not 0 < height * width <= MAXIMUM_SAMPLES:
        raise InputError(f"{path.name} declares {width} x {height} pixels")
    try:
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise InputError(f"{path.name} cannot be decoded: {error.err}") from error
    if picture is None:
        raise InputError(f"{path.name} cannot be decoded", remedy="copy it again from its source")
    if picture.ndim != 2 or picture.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"{path.name} is a picture of {picture.dtype} {picture.shape}",
            expected="a mosaic: one grey channel of 8 or 16 bits",
        )
    return np.asarray(picture, np.uint16)


def _check(path: Path, mosaic: np.ndarray, description: BayerDump) -> None:
    """Raise InputError unless size and values are as described."""
    height, width = mosaic.shape
    if (description.width or width, description.height or height) != (width, height):
        raise InputError(
            f"{path.name} has {width} x {height} pixels",
            expected=f"{description.width or width} x {description.height or height} as described",
        )
    if height < 2 or width < 2:
        raise InputError(f"{path.name} has {width} x {height} pixels", expected="at least 2 x 2")
    highest = mosaic.max()
    if mosaic.dtype == np.uint16 and highest >= 1 << description.bits:
        raise InputError(
            f"{path.name} holds the value {highest}",
            expected=f"at most {(1 << description.bits) - 1} for {description.bits} bits",
            remedy="correct bits or packing (byte order)",
        )
    if not np.isfinite(highest):
        raise InputError(f"{path.name} holds {highest}", expected="finite numbers")
