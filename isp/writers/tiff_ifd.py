"""TIFF files with nested directories (IFDs): the container of DNG.

TIFF revision 6.0 (Adobe, 1992), with SubIFDs and the IFD type from the TIFF supplement "Adobe PageMaker 6.0 TIFF
Technical Notes" (1995). Little-endian; each image is one uncompressed strip, which every reader of DNGs that was tried
opens.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import ArrayLike

from isp.atomic import replacing
from isp.dng.tags import Compression, Tag, TiffType

_INLINE_BYTES = 4


@dataclass(frozen=True)
class Field:
    """One entry of a directory, already encoded."""

    code: int
    dtype: TiffType
    payload: bytes

    @property
    def count(self) -> int:
        """Number of values, as the directory states it."""
        return len(self.payload) // self.dtype.size_bytes


@dataclass(frozen=True)
class Ifd:
    """A directory: its fields, its image (uint8 or uint16, [h, w] or [h, w, 3]) and the directories it points to.

    children: pairs of the pointing field's code and the directory.
    """

    fields: tuple[Field, ...]
    image: np.ndarray | None = None
    children: tuple[tuple[int, Ifd], ...] = ()


def numbers(code: int, dtype: TiffType, values: ArrayLike) -> Field:
    """A field of numbers; for the rational types, numerators and denominators in turn."""
    return Field(code, dtype, np.ravel(np.asarray(values)).astype("<" + dtype.numpy_code).tobytes())


def text(code: int, value: str) -> Field:
    """A field of text, ended by a zero byte."""
    return Field(code, TiffType.ASCII, value.encode() + b"\0")


def rationals(code: int, dtype: TiffType, values: ArrayLike, *, denominator: int) -> Field:
    """A field of fractions that all have the same denominator, so that tables of them stay readable."""
    numerators = np.rint(np.ravel(np.asarray(values, np.float64)) * denominator)
    return numbers(code, dtype, np.stack([numerators, np.full_like(numerators, denominator)], axis=-1))


def write_tiff(path: Path, first: Ifd) -> None:
    """Writes a file whose only top-level directory is `first`; an existing file is replaced in one step."""
    with replacing(path) as temporary, temporary.open("wb") as out:
        write_structure(out, first)


def write_structure(out: BinaryIO, first: Ifd) -> None:
    """Writes a whole TIFF structure, from its header on, to an empty seekable stream."""
    out.write(b"II*\0\0\0\0\0")
    start = _append(out, first)
    out.seek(4)
    out.write(struct.pack("<I", start))


def _append(out: BinaryIO, ifd: Ifd) -> int:
    """Writes a directory after everything that it refers to; returns its offset."""
    fields = list(ifd.fields)
    if ifd.image is not None:
        pixels = np.ascontiguousarray(ifd.image, ifd.image.dtype.newbyteorder("<"))
        fields += _image_fields(pixels, _append_bytes(out, pixels.data))
    for code in dict.fromkeys(code for code, _ in ifd.children):
        offsets = [_append(out, child) for pointer, child in ifd.children if pointer == code]
        fields.append(numbers(code, TiffType.LONG, offsets))
    entries = b"".join(_entry(out, field) for field in _sorted(fields))
    return _append_bytes(out, struct.pack("<H", len(fields)) + entries + struct.pack("<I", 0))


def _sorted(fields: Iterable[Field]) -> list[Field]:
    ordered = sorted(fields, key=lambda field: field.code)
    codes = [field.code for field in ordered]
    twice = {code for code in codes if codes.count(code) > 1}
    if twice:
        raise ValueError(f"TIFF fields {sorted(twice)} stand twice in one directory")
    return ordered


def _entry(out: BinaryIO, field: Field) -> bytes:
    head = struct.pack("<HHI", field.code, field.dtype, field.count)
    if len(field.payload) <= _INLINE_BYTES:
        return head + field.payload.ljust(_INLINE_BYTES, b"\0")
    return head + struct.pack("<I", _append_bytes(out, field.payload))


def _append_bytes(out: BinaryIO, data: bytes | memoryview) -> int:
    """Writes at the end of the file, on an even offset as TIFF wants it; returns that offset."""
    offset = out.seek(0, os.SEEK_END)
    if offset % 2:
        out.write(b"\0")
        offset += 1
    out.write(data)
    return offset


def _image_fields(image: np.ndarray, offset: int) -> list[Field]:
    height, width = image.shape[:2]
    samples = 1 if image.ndim == 2 else image.shape[2]
    return [
        numbers(Tag.ImageWidth, TiffType.LONG, width),
        numbers(Tag.ImageLength, TiffType.LONG, height),
        numbers(Tag.BitsPerSample, TiffType.SHORT, [8 * image.itemsize] * samples),
        numbers(Tag.Compression, TiffType.SHORT, Compression.NONE),
        numbers(Tag.StripOffsets, TiffType.LONG, offset),
        numbers(Tag.SamplesPerPixel, TiffType.SHORT, samples),
        numbers(Tag.RowsPerStrip, TiffType.LONG, height),
        numbers(Tag.StripByteCounts, TiffType.LONG, image.nbytes),
        numbers(Tag.PlanarConfiguration, TiffType.SHORT, 1),  # samples side by side
    ]
