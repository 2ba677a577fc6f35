"""Developed pictures as PNG, JPEG or TIFF files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isp.atomic import replacing
from isp.colour.colour_space import ColourSpace
from isp.errors import ConfigError
from isp.raw_frame import RawFrame
from isp.shown_area import shown_area


@dataclass(frozen=True)
class PictureFormat:
    """A kind of picture file: its suffixes and the sample types that it holds."""

    suffixes: tuple[str, ...]
    dtypes: tuple[str, ...]


PNG = PictureFormat((".png",), ("uint8", "uint16"))
JPEG = PictureFormat((".jpg", ".jpeg"), ("uint8",))
TIFF = PictureFormat((".tif", ".tiff"), ("uint8", "uint16", "float32"))
FORMATS = (PNG, JPEG, TIFF)


def picture_format(path: Path) -> PictureFormat:
    """The format that a file name asks for. Raises ConfigError for an unknown suffix."""
    for kind in FORMATS:
        if path.suffix.lower() in kind.suffixes:
            return kind
    known = ", ".join(suffix for kind in FORMATS for suffix in kind.suffixes)
    raise ConfigError(f"{path}: unknown kind of picture {path.suffix!r}", expected=known)


def check_sample_type(path: Path, dtype: np.dtype[np.generic]) -> None:
    """Raises ConfigError if the format that `path` asks for cannot hold samples of `dtype`."""
    held = picture_format(path).dtypes
    if dtype.name not in held:
        raise ConfigError(
            f"{path}: a {path.suffix} file cannot hold {dtype.name} samples",
            expected=" or ".join(held),
            remedy="set output_encoding.bits, or write another kind of file",
        )


def cropped(data: np.ndarray, frame: RawFrame) -> np.ndarray:
    """View of the part of a picture [H, W, 3] developed from `frame` that its default crop shows."""
    return data[shown_area(frame, data.shape[0], data.shape[1]).slices]


def oriented(data: np.ndarray, orientation: int) -> np.ndarray:
    """View of a picture [H, W, 3] turned upright from EXIF `orientation`, 1 to 8 (others count as 1).

    The orientation tells what row 0 and column 0 of the stored picture are: 6 means that row 0 is the
    right-hand side, and so the picture is turned clockwise by a quarter.
    """
    match orientation:
        case 2:
            return data[:, ::-1]
        case 3:
            return data[::-1, ::-1]
        case 4:
            return data[::-1]
        case 5:
            return data.swapaxes(0, 1)
        case 6:
            return data[::-1].swapaxes(0, 1)
        case 7:
            return data[::-1, ::-1].swapaxes(0, 1)
        case 8:
            return data[:, ::-1].swapaxes(0, 1)
        case _:
            return data


def write_picture(
    path: Path,
    data: np.ndarray,
    colour_space: str,
    frame: RawFrame,
    *,
    jpeg_quality: int = 95,
    png_compression: int = 1,
) -> None:
    """Write RGB [H, W, 3], uint8, uint16 or (TIFF only) float32, as it is; an existing file is
    replaced in one step.

    colour_space: a value of `ColourSpace`, as `Signal.colour_space` has it. frame: the capture, for
    the metadata. jpeg_quality: 1 to 100. png_compression: 0 to 9, where more
    than 1 takes much longer for little. Raises ConfigError for a suffix or
    sample type that cannot be written, and where the file system refuses.
    """
    space = ColourSpace(colour_space)
    check_sample_type(path, data.dtype)
    data = np.ascontiguousarray(data)
    kind = picture_format(path)
    try:
        if kind is PNG:
            from isp.writers.png import png_parts

            _write_whole(path, png_parts(data, space, frame, compression=png_compression))
        elif kind is JPEG:
            from isp.writers.jpeg import jpeg_parts

            _write_whole(path, jpeg_parts(data, space, frame, quality=jpeg_quality))
        else:
            from isp.writers.picture_tiff import write_picture_tiff

            write_picture_tiff(path, data, space, frame)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}", remedy="give a folder that exists and may be written to"
        ) from error


def _write_whole(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as out:
        for part in parts:
            out.write(part)
