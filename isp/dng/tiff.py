"""Directories of TIFF and BigTIFF files (TIFF 6.0), read so that no file can do harm.

Values are read when they are asked for, and never past the end of the file: a truncated or corrupt
file raises InputError, whatever its bytes are.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Literal

import numpy as np

from isp.dng.tags import Tag, TiffType
from isp.errors import InputError

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of TIFF and BigTIFF files, little and big endian."""
MAXIMUM_ENTRIES = 4096
MAXIMUM_DIRECTORIES = 64


class TiffFile:
    """An open TIFF file. Raises InputError if it is not one."""

    def __init__(self, path: Path, file: BufferedReader) -> None:
        self.path = path
        self._file = file
        self.size = file.seek(0, 2)
        head = self.read(0, min(16, self.size))
        order: Literal["<", ">"] = ">" if head[:2] == b"MM" else "<"
        self.byteorder: Literal["<", ">"] = order
        if len(head) < 8 or head[:4] not in TIFF_MAGIC:
            raise InputError(
                f"{path.name} is not a TIFF or DNG file: it starts with {head[:8]!r}",
                expected='"II" or "MM" and the number 42',
            )
        self.is_big = 43 in head[2:4]
        if self.is_big and len(head) < 16:
            raise self.truncated("its header ends early")
        self._first = self._unpack("Q", head[8:16]) if self.is_big else self._unpack("I", head[4:8])

    def truncated(self, what: str) -> InputError:
        """The error for a file that ends before what it promises."""
        return InputError(f"{self.path.name} is truncated or corrupt: {what}", remedy="copy it again from its source")

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes at `offset`. Raises InputError if the file does not hold them."""
        self.check_extent(offset, length)
        self._file.seek(offset)
        return self._file.read(length)

    def read_into(self, offset: int, target: np.ndarray) -> None:
        """Fill the contiguous array `target` with the bytes at `offset`."""
        self.check_extent(offset, target.nbytes)
        self._file.seek(offset)
        self._file.readinto(target.reshape(-1).view(np.uint8).data)

    def check_extent(self, offset: int, length: int) -> None:
        """Raise InputError unless `length` bytes at `offset` lie within the file."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise self.truncated(f"{length} bytes at {offset} lie past its end at {self.size}")

    def first_directory(self) -> Ifd:
        """IFD 0. Those chained to it hold nothing that DNG or a camera RAW needs."""
        return self.directory(self._first)

    def directory(self, offset: int) -> Ifd:
        """The directory at `offset`."""
        count_code, entry_bytes = ("Q", 20) if self.is_big else ("H", 12)
        count_bytes = struct.calcsize(count_code)
        count = self._unpack(count_code, self.read(offset, count_bytes))
        if not 0 < count <= MAXIMUM_ENTRIES:
            raise self.truncated(f"the directory at {offset} has {count} entries")
        table = self.read(offset + count_bytes, count * entry_bytes)
        entries: dict[int, Entry] = {}
        for i in range(count):
            entry = self._entry(table[i * entry_bytes : (i + 1) * entry_bytes], offset + count_bytes + i * entry_bytes)
            if entry is not None:
                entries.setdefault(entry.code, entry)
        if sum(entry.size_bytes for entry in entries.values()) > self.size:
            raise self.truncated(f"the values of the directory at {offset} exceed the file")
        return Ifd(self, entries)

    def _entry(self, record: bytes, position: int) -> Entry | None:
        """One entry, or None for a data type that TIFF does not know (it asks readers to skip those)."""
        code, type_number = struct.unpack(self.byteorder + "HH", record[:4])
        if type_number not in TiffType.__members__.values():
            return None
        dtype = TiffType(type_number)
        pointer = "Q" if self.is_big else "I"
        inline_bytes = struct.calcsize(pointer)
        count = self._unpack(pointer, record[4 : 4 + inline_bytes])
        if count == 0:
            return None
        where = position + 4 + inline_bytes
        if count * dtype.size_bytes > inline_bytes:
            where = self._unpack(pointer, record[4 + inline_bytes :])
        return Entry(self, code, dtype, count, where)

    def _unpack(self, code: str, data: bytes) -> int:
        value: int = struct.unpack(self.byteorder + code, data)[0]
        return value


@dataclass(frozen=True)
class Entry:
    """One tag: its type, how many values, and where they lie in the file."""

    file: TiffFile
    code: int
    dtype: TiffType
    count: int
    offset: int

    @property
    def name(self) -> str:
        """Name in the standards, or the number of an unknown tag."""
        return Tag(self.code).name if self.code in Tag.__members__.values() else f"tag {self.code}"

    @property
    def size_bytes(self) -> int:
        return self.count * self.dtype.size_bytes

    def raw(self) -> bytes:
        """The values' bytes, in the file's byte order."""
        return self.file.read(self.offset, self.size_bytes)

    def numbers(self) -> np.ndarray:
        """All numbers, in native byte order; rationals as numerator, denominator, ..."""
        code = self.dtype.numpy_code
        return np.frombuffer(self.raw(), np.dtype(self.file.byteorder + code)).astype(np.dtype("=" + code))

    def reals(self) -> np.ndarray:
        """Values as float64 [count]; a rational with denominator 0 is NaN."""
        numbers = self.numbers().astype(np.float64)
        if self.dtype.numbers == 1:
            return numbers
        denominators = numbers[1::2]
        return np.divide(numbers[::2], denominators, out=np.full_like(denominators, np.nan), where=denominators != 0)

    def integers(self) -> list[int]:
        """Values as integers. Raises InputError where they are not."""
        reals = self.reals()
        if not np.array_equal(reals, np.floor(reals)) or np.abs(reals).max() >= 2**53:
            raise InputError(f"{self.file.path.name}: {self.name} is {reals[:4].tolist()}", expected="whole numbers")
        return [int(value) for value in reals]

    def text(self) -> str:
        """Text up to its first zero byte, without surrounding blanks."""
        return self.raw().split(b"\0", 1)[0].decode("utf-8", errors="replace").strip()


@dataclass(frozen=True)
class Ifd:
    """One directory of a TIFF file."""

    file: TiffFile
    entries: Mapping[int, Entry]

    def integers(self, tag: Tag, default: list[int], count: int | None = None) -> list[int]:
        """Values of `tag`, or `default` where it is missing. Raises InputError unless there are `count`."""
        entry = self.entries.get(tag)
        if entry is None:
            return default
        self._check_count(entry, count)
        return entry.integers()

    def integer(self, tag: Tag, default: int) -> int:
        """First value of `tag`, or `default` where it is missing."""
        return self.integers(tag, [default])[0]

    def reals(self, tag: Tag, count: int | None = None) -> np.ndarray | None:
        """Values of `tag`, finite float64 [count], or None where it is missing.

        Raises InputError if their number is not `count` or one of them is not finite.
        """
        entry = self.entries.get(tag)
        if entry is None:
            return None
        self._check_count(entry, count)
        values = entry.reals()
        if not np.isfinite(values).all():
            raise InputError(
                f"{self.file.path.name}: {entry.name} is {values.tolist()[:12]}", expected="finite numbers"
            )
        return values

    def _check_count(self, entry: Entry, count: int | None) -> None:
        if count is not None and entry.count != count:
            raise InputError(f"{self.file.path.name}: {entry.name} has {entry.count} values", expected=f"{count}")

    def text(self, tag: Tag) -> str:
        """Text of `tag`, empty where it is missing."""
        entry = self.entries.get(tag)
        return "" if entry is None else entry.text()

    def children(self, tag: Tag) -> list[Ifd]:
        """Directories that the values of `tag` point to."""
        offsets = self.integers(tag, [])
        if len(offsets) > MAXIMUM_DIRECTORIES:
            raise self.file.truncated(f"{tag.name} lists {len(offsets)} directories")
        return [self.file.directory(offset) for offset in offsets]
